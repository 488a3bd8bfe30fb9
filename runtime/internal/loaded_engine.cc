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
#include "core/record/binding_order.h"
#include "core/tensorrt/library_choice.h"
#include "core/text.h"
#include "runtime/internal/aliases.h"
#include "runtime/internal/choose_device.h"
#include "runtime/internal/nvtx_range.h"
#include "runtime/internal/read_tensor_info.h"
#include "runtime/internal/reference_library.h"

namespace nacelle::runtime {
namespace {

using tensorrt::TensorIOMode;

// The names in the order of a call: the record's, or the order that the plan's names tell if it has none.
std::vector<std::string> CallOrder(const char* what, const std::vector<std::string>& recorded,
                                   const std::vector<std::string>& plans) {
  if (recorded.empty()) return plans;
  if (!std::ranges::is_permutation(recorded, plans)) {
    throw PlanError(Cat("its record lists the ", what, "s ", Join(recorded, ", "), ", its plan has ", Join(plans, ", "),
                        "; the record and the plan do not belong together"));
  }
  return recorded;
}

// torch has to know the device before its memory and streams are used.
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

std::vector<std::string> NamesWithoutRecord(const tensorrt::CudaEngine& engine, TensorIOMode mode) {
  std::vector<std::string> names;
  for (int i = 0; i < engine.NumIoTensors(); ++i) {
    const char* name = engine.IoTensorName(i);
    if (name != nullptr && engine.IoMode(name) == mode) names.emplace_back(name);
  }
  std::vector<std::string> ordered;
  for (const size_t index : record::OrderByNumber(names)) ordered.push_back(names[index]);
  return ordered;
}

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
        "a "
        "CUDA build");
  }
  std::vector<std::shared_ptr<const DeserializedPlan>> plans = {Deserialize(plan, header, device)};
  for (int copy = 1; copy < settings.plan_copies; ++copy) {
    plans.push_back(std::make_shared<const DeserializedPlan>(plans.front()->library(), device, plan->bytes()));
  }
  return std::unique_ptr<LoadedEngine>(new LoadedEngine(record, settings, device, std::move(plans)));
}

LoadedEngine::LoadedEngine(const record::Record& record, const Settings& settings, at::Device device,
                           std::vector<std::shared_ptr<const DeserializedPlan>> plans)
    : name_(record.name),
      range_name_(Cat("execute_engine ", record.name)),
      settings_(settings),
      runs_plainly_(!settings.move_inputs && !settings.convert_inputs && !settings.nvtx),
      device_(device),
      plans_(std::move(plans)) {
  profile_count_ = std::max(engine().NumProfiles(), 1);
  ReadTensors(record);
  ReadAliases(engine(), record, device_, inputs_, outputs_);
  GroupProfiles();
}

// Contexts must be destroyed with their own device current. A thread that captures a CUDA graph may be the one.
LoadedEngine::~LoadedEngine() {
  std::optional<c10::DeviceGuard> guard;
  std::optional<device::RelaxedCapture> relaxed;
  if (!device_.is_cpu()) {
    guard.emplace(device_);
    relaxed.emplace();
  }
  groups_.clear();
}

void LoadedEngine::ReadTensors(const record::Record& record) {
  for (const std::string& name :
       CallOrder("input", record.input_names, NamesWithoutRecord(engine(), TensorIOMode::kINPUT))) {
    inputs_.push_back(ReadTensorInfo(engine(), name.c_str()));
  }
  for (const std::string& name :
       CallOrder("output", record.output_names, NamesWithoutRecord(engine(), TensorIOMode::kOUTPUT))) {
    outputs_.push_back(ReadTensorInfo(engine(), name.c_str()));
  }
}

bool LoadedEngine::SameShapes(int profile, int other) const {
  return std::ranges::all_of(inputs_,
                             [&](const TensorInfo& input) { return input.profiles[profile] == input.profiles[other]; });
}

void LoadedEngine::GroupProfiles() {
  if (settings_.profile && (*settings_.profile < 0 || *settings_.profile >= profile_count_)) {
    throw InputError(Cat("optimization profile ", *settings_.profile, " is set for it, and its plan has ",
                         profile_count_, ": set one of 0 to ", profile_count_ - 1));
  }
  for (int profile = 0; profile < profile_count_; ++profile) {
    if (settings_.profile && profile != *settings_.profile) continue;
    const auto same = [&](const ProfileGroup& group) { return SameShapes(profile, group.profiles.front()); };
    const auto group = std::ranges::find_if(groups_, same);
    if (group == groups_.end()) {
      groups_.push_back({{profile}, nullptr});
    } else {
      group->profiles.push_back(profile);
    }
  }
  for (ProfileGroup& group : groups_) {
    group.contexts = std::make_unique<ContextPool>(
        settings_.max_contexts, [this, profiles = group.profiles](int index) { return MakeContext(profiles, index); });
  }
}

std::unique_ptr<Context> LoadedEngine::MakeContext(const std::vector<int>& profiles, int index) const {
  const size_t turn = static_cast<size_t>(index) / profiles.size();
  const tensorrt::CudaEngine& plan = plans_[turn % plans_.size()]->engine();
  return std::make_unique<Context>(*this, plan, profiles[static_cast<size_t>(index) % profiles.size()]);
}

int LoadedEngine::context_count() const {
  int count = 0;
  for (const ProfileGroup& group : groups_) count += group.contexts->size();
  return count;
}

std::string LoadedEngine::LayerInformation() const {
  return engine().CreateInspector().EngineInformation(tensorrt::LayerInformationFormat::kJSON);
}

}  // namespace nacelle::runtime
