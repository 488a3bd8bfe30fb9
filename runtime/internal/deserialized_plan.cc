#include "runtime/internal/deserialized_plan.h"

#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "runtime/engine_host_code.h"

namespace nacelle::runtime {
namespace {

// Makes the device the current one; nothing for the CPU.
std::optional<c10::DeviceGuard> GuardFor(c10::Device device) {
  return device.is_cpu() ? std::nullopt : std::optional<c10::DeviceGuard>(std::in_place, device);
}

// What to do about a refused plan, where the library's words tell that it brings code for the host.
std::string HostCodeAdvice(std::string_view message) {
  if (EngineHostCodeAllowed() || message.find("ost executable code") == std::string_view::npos) return "";
  return " If you trust the plan as you trust a program, allow it with torch_nacelle.allow_engine_host_code(True) and "
         "load the program again.";
}

struct Entry {
  std::mutex mutex;  // held while the plan is read
  std::weak_ptr<const DeserializedPlan> plan;
};

// Library, device, size and hash of the plan, and whether it was allowed to bring code for the host: what was read
// while that was allowed is not for engines that are set up when it is forbidden.
using Key = std::tuple<const tensorrt::Library*, c10::DeviceIndex, size_t, size_t, bool>;

// Entries for plans that are all gone are left out when a new one comes.
std::shared_ptr<Entry> EntryFor(const Key& key) {
  static auto* const mutex = new std::mutex;
  static auto* const entries = new std::map<Key, std::shared_ptr<Entry>>;
  const std::lock_guard lock(*mutex);
  std::erase_if(*entries, [](const auto& item) { return item.second.use_count() == 1 && item.second->plan.expired(); });
  std::shared_ptr<Entry>& entry = (*entries)[key];
  if (entry == nullptr) entry = std::make_shared<Entry>();
  return entry;
}

}  // namespace

DeserializedPlan::DeserializedPlan(std::shared_ptr<const tensorrt::Library> library, c10::Device device,
                                   std::string_view plan)
    : library_(std::move(library)), device_(device) {
  const auto guard = GuardFor(device_);
  tensorrt::Runtime runtime = tensorrt::Runtime::Create(library_);
  if (EngineHostCodeAllowed() && runtime.Has(tensorrt::Method::kRuntime_setEngineHostCodeAllowed)) {
    runtime.SetEngineHostCodeAllowed(true);
  }
  try {
    engine_ = std::make_unique<tensorrt::CudaEngine>(runtime.Deserialize(plan));
  } catch (const PlanError& error) {
    throw PlanError(Cat(error.what(), HostCodeAdvice(error.what())));
  }
}

DeserializedPlan::~DeserializedPlan() {
  const auto guard = GuardFor(device_);
  engine_.reset();
}

std::shared_ptr<const DeserializedPlan> DeserializedPlan::Shared(std::shared_ptr<const tensorrt::Library> library,
                                                                 c10::Device device, std::string_view plan) {
  const Key key{library.get(), device.index(), plan.size(), std::hash<std::string_view>()(plan),
                EngineHostCodeAllowed()};
  const std::shared_ptr<Entry> entry = EntryFor(key);
  const std::lock_guard lock(entry->mutex);
  std::shared_ptr<const DeserializedPlan> shared = entry->plan.lock();
  if (shared == nullptr) {
    shared = std::make_shared<const DeserializedPlan>(std::move(library), device, plan);
    if (shared->AllowsManyContexts()) entry->plan = shared;
  }
  return shared;
}

bool DeserializedPlan::AllowsManyContexts() const {
  if (library_->release().major >= 10) return true;
  for (int i = 0; i < engine_->NumIoTensors(); ++i) {
    const tensorrt::Dims shape = engine_->Shape(engine_->IoTensorName(i));
    if (std::ranges::any_of(shape.extents(), [](int64_t extent) { return extent < 0; })) return false;
  }
  return true;
}

}  // namespace nacelle::runtime
