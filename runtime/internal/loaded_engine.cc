#include "runtime/internal/loaded_engine.h"

#include <ATen/Context.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "core/device/cuda_driver.h"
#include "core/error.h"
#include "core/plan/plan_header.h"
#include "core/tensorrt/library_choice.h"
#include "core/text.h"
#include "runtime/internal/choose_device.h"
#include "runtime/internal/nvtx_range.h"
#include "runtime/internal/reference_library.h"

namespace nacelle::runtime {
namespace {

// Makes torch initialize the device, as it must before its memory and streams are used.
void InitializeTorch(at::Device device) {
  if (device.is_cpu()) return;
  if (!c10::impl::hasDeviceGuardImpl(device.type())) {
    throw DeviceError(Cat("it runs on ", device.str(), ", and this build of torch has no CUDA; install a CUDA build"));
  }
  at::globalContext().lazyInitDevice(device.type());
}

// Reads the plan with the first library that accepts it.
std::shared_ptr<const DeserializedPlan> Deserialize(const std::shared_ptr<const StoredBytes>& plan,
                                                    const plan::PlanHeader& header, at::Device device) {
  if (header.kind == plan::PlanKind::kReference) {
    return DeserializedPlan::Shared(OpenReferenceLibrary(), device, plan);
  }
  tensorrt::LibraryChoice libraries(header);
  while (auto library = libraries.Next()) {
    try {
      return DeserializedPlan::Shared(library, device, plan);
    } catch (const PlanError& error) {
      if (libraries.exact()) throw;
      libraries.Refused(error.what());
    }
  }
  libraries.Throw();
}

}  // namespace

std::unique_ptr<LoadedEngine> LoadedEngine::FromRecord(const record::Record& record,
                                                       const std::shared_ptr<const StoredBytes>& plan,
                                                       const Settings& settings) {
  const plan::PlanHeader header = plan::ParsePlanHeader(plan->bytes());
  const std::string why_not = header.WhyItCannotRun();
  if (!why_not.empty()) throw LibraryError(why_not);
  const at::Device device = ChooseDevice(record, header, settings);
  InitializeTorch(device);
  if (settings.nvtx && !NvtxRange::Available()) {
    throw InputError(
        "its setting nvtx is on, and this build of torch has no CUDA, which marks the ranges; turn it off, or install "
        "a CUDA build");
  }
  Plans plans = {Deserialize(plan, header, device)};
  for (int copy = 1; copy < settings.plan_copies; ++copy) {
    plans.push_back(std::make_shared<const DeserializedPlan>(plans.front()->library(), device, plan->bytes()));
  }
  return std::unique_ptr<LoadedEngine>(new LoadedEngine(record, settings, std::move(plans)));
}

std::unique_ptr<LoadedEngine> LoadedEngine::WithRecord(const record::Record& record) const {
  return std::unique_ptr<LoadedEngine>(new LoadedEngine(record, facts_.settings, plans_));
}

std::shared_ptr<const DeserializedPlan> LoadedEngine::PlanForShapes() const {
  const std::shared_ptr<const DeserializedPlan>& own = plans_.front();
  if (own->AllowsManyContexts()) return own;
  return std::make_shared<const DeserializedPlan>(own->library(), own->device(), own->bytes()->bytes());
}

LoadedEngine::LoadedEngine(const record::Record& record, const Settings& settings, Plans plans)
    : plans_(std::move(plans)), facts_(ReadEngineFacts(record, settings, *plans_.front())) {
  for (const std::vector<int>& group : facts_.optimization_profile_groups) {
    contexts_.push_back(std::make_unique<ContextPool>(settings.max_contexts,
                                                      [this, &group](int index) { return MakeContext(group, index); }));
  }
}

// Contexts must be destroyed with their own device current. The destroying thread may be capturing a CUDA graph.
LoadedEngine::~LoadedEngine() {
  std::optional<c10::DeviceGuard> guard;
  std::optional<device::RelaxedCapture> relaxed;
  if (!facts_.device.is_cpu()) {
    guard.emplace(facts_.device);
    relaxed.emplace();
  }
  contexts_.clear();
}

std::unique_ptr<Context> LoadedEngine::MakeContext(const std::vector<int>& profiles, int index) const {
  const size_t turn = static_cast<size_t>(index) / profiles.size();
  const tensorrt::CudaEngine& plan = plans_[turn % plans_.size()]->engine();
  return std::make_unique<Context>(facts_, plan, profiles[static_cast<size_t>(index) % profiles.size()]);
}

int LoadedEngine::context_count() const {
  int count = 0;
  for (const auto& pool : contexts_) count += pool->size();
  return count;
}

std::string LoadedEngine::LayerInformation() const {
  return engine().CreateInspector().EngineInformation(tensorrt::LayerInformationFormat::kJSON);
}

Error CannotRun(const std::string& name, const Error& reason) {
  return {reason.kind(), Cat("engine ", Quote(name), " cannot run here: ", reason.what())};
}

}  // namespace nacelle::runtime
