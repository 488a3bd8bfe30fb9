#include "runtime/internal/deserialized_plan.h"

#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "runtime/engine_host_code.h"

namespace nacelle::runtime {
namespace {

// Makes the device the current one; does nothing for the CPU.
std::optional<c10::DeviceGuard> GuardFor(c10::Device device) {
  return device.is_cpu() ? std::nullopt : std::optional<c10::DeviceGuard>(std::in_place, device);
}

uint64_t NextId() {
  static std::atomic<uint64_t> next = 0;
  return next++;
}

// Returns advice about a refused plan if the library's message says that the plan contains code for the host.
std::string HostCodeAdvice(std::string_view message) {
  if (EngineHostCodeAllowed() || message.find("ost executable code") == std::string_view::npos) return "";
  return " If you trust the plan as you trust a program, allow it with torch_nacelle.allow_engine_host_code(True) and "
         "load the program again.";
}

}  // namespace

DeserializedPlan::DeserializedPlan(std::shared_ptr<const tensorrt::Library> library, c10::Device device,
                                   std::string_view plan)
    : library_(std::move(library)), device_(device), id_(NextId()) {
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

DeserializedPlan::DeserializedPlan(std::shared_ptr<const tensorrt::Library> library, c10::Device device,
                                   std::shared_ptr<const StoredBytes> plan)
    : DeserializedPlan(std::move(library), device, plan->bytes()) {
  bytes_ = std::move(plan);
}

DeserializedPlan::~DeserializedPlan() {
  const auto guard = GuardFor(device_);
  engine_.reset();
}

std::shared_ptr<const DeserializedPlan> DeserializedPlan::Shared(
    const std::shared_ptr<const tensorrt::Library>& library, c10::Device device,
    const std::shared_ptr<const StoredBytes>& plan) {
  static auto* const plans = new SharedPlans(std::hash<std::string_view>());
  return plans->Get(library, device, plan);
}

bool DeserializedPlan::AllowsManyContexts() const {
  if (library_->release().major >= 10) return true;
  for (int i = 0; i < engine_->NumIoTensors(); ++i) {
    const tensorrt::Dims shape = engine_->Shape(engine_->IoTensorName(i));
    if (std::ranges::any_of(shape.extents(), [](int64_t extent) { return extent < 0; })) return false;
  }
  return true;
}

std::shared_ptr<const StoredBytes> DeserializedPlan::bytes() const {
  const std::lock_guard lock(bytes_mutex_);
  return bytes_;
}

void DeserializedPlan::MoveBytesToFile() const {
  const std::lock_guard lock(bytes_mutex_);
  if (bytes_ == nullptr || bytes_->in_file()) return;
  if (std::shared_ptr<const StoredBytes> stored = StoredBytes::InFile(bytes_->bytes())) bytes_ = std::move(stored);
}

// The entry at `index` of the chain, or a new one at its end. Chains of plans that are all gone are left out when one
// is looked up.
std::shared_ptr<SharedPlans::Entry> SharedPlans::EntryAt(const Key& key, size_t index) {
  const std::lock_guard lock(mutex_);
  if (index == 0) {
    const auto gone = [](const std::shared_ptr<Entry>& entry) {
      return entry.use_count() == 1 && entry->plan.expired();
    };
    std::erase_if(chains_, [&](const auto& item) { return std::ranges::all_of(item.second, gone); });
  }
  Chain& chain = chains_[key];
  if (index == chain.size()) chain.push_back(std::make_shared<Entry>());
  return chain[index];
}

std::shared_ptr<const DeserializedPlan> SharedPlans::Get(const std::shared_ptr<const tensorrt::Library>& library,
                                                         c10::Device device,
                                                         const std::shared_ptr<const StoredBytes>& plan) {
  const std::string_view bytes = plan->bytes();
  const Key key{library.get(), device.index(), bytes.size(), hash_(bytes), EngineHostCodeAllowed()};
  // Each entry is held until the next one is: a chain that this thread walks along stays.
  std::shared_ptr<Entry> entry;
  for (size_t index = 0;; ++index) {
    entry = EntryAt(key, index);
    const std::lock_guard lock(entry->mutex);
    std::shared_ptr<const DeserializedPlan> shared = entry->plan.lock();
    if (shared == nullptr) {
      shared = std::make_shared<const DeserializedPlan>(library, device, plan);
      if (shared->AllowsManyContexts()) entry->plan = shared;
      return shared;
    }
    if (shared->bytes()->bytes() == bytes) return shared;
  }
}

}  // namespace nacelle::runtime
