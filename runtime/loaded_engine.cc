#include "runtime/loaded_engine.h"

#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "core/abi/binding_order.h"
#include "core/abi/plan_header.h"
#include "core/device/choose.h"
#include "core/device/cuda_driver.h"
#include "core/error.h"
#include "core/text.h"
#include "runtime/find_library.h"

namespace nacelle::runtime {
namespace {

using tensorrt::TensorIOMode;

// Where the engine will run: chosen among the devices here, by what the record and the plan want.
at::Device ChooseDevice(const abi::Record& record, const abi::PlanHeader& header) {
  if (header.kind == abi::PlanKind::kReference) return at::kCPU;
  device::Inventory here = device::CudaDriver::Process().Devices();
  try {
    const device::Device chosen = device::Choose(record.device, record.hardware_compatible, here);
    if (!chosen.IsCpu()) return {at::kCUDA, static_cast<at::DeviceIndex>(chosen.id)};
  } catch (const DeviceError& error) {
    throw DeviceError(
        Cat("its plan was built by ", header.Describe(), " for ", record.device.Describe(), "; ", error.what()));
  }
  throw DeviceError(Cat("its plan was built by ", header.Describe(),
                        ", which runs on GPUs, but its record names the CPU; "
                        "embed the plan anew with the device that it was built for"));
}

// The plan's tensors of one mode, by their names, in the plan's own order.
std::vector<std::string> PlanNames(const tensorrt::CudaEngine& engine, TensorIOMode mode) {
  std::vector<std::string> names;
  for (int i = 0; i < engine.NumIoTensors(); ++i) {
    const char* name = engine.IoTensorName(i);
    if (name != nullptr && engine.IoMode(name) == mode) names.emplace_back(name);
  }
  return names;
}

// The names in the order of a call: the record's, or where it has none, by the numbers in the plan's names.
std::vector<std::string> CallOrder(const char* what, const std::vector<std::string>& recorded,
                                   const std::vector<std::string>& plans) {
  if (recorded.empty()) {
    std::vector<std::string> ordered;
    for (const size_t index : abi::OrderByNumber(plans)) ordered.push_back(plans[index]);
    return ordered;
  }
  if (!std::ranges::is_permutation(recorded, plans)) {
    throw PlanError(Cat("its record lists the ", what, "s ", Join(recorded, ", "), ", its plan has ", Join(plans, ", "),
                        "; the record and the plan do not belong together"));
  }
  return recorded;
}

}  // namespace

std::unique_ptr<LoadedEngine> LoadedEngine::FromRecord(const abi::Record& record) {
  const abi::PlanHeader header = abi::ParsePlanHeader(record.plan);
  const at::Device device = ChooseDevice(record, header);
  auto library = FindLibrary(header);
  std::optional<c10::DeviceGuard> guard;
  if (!device.is_cpu()) {
    if (!c10::impl::hasDeviceGuardImpl(device.type())) {
      throw DeviceError(
          Cat("it runs on ", device.str(), ", and this build of torch has no CUDA; install a CUDA build"));
    }
    guard.emplace(device);
  }
  return std::unique_ptr<LoadedEngine>(new LoadedEngine(record, device, std::move(library)));
}

LoadedEngine::LoadedEngine(const abi::Record& record, at::Device device,
                           std::shared_ptr<const tensorrt::Library> library)
    : name_(record.name),
      device_(device),
      library_(std::move(library)),
      runtime_(tensorrt::Runtime::Create(library_)),
      engine_(runtime_.Deserialize(record.plan)),
      profile_count_(std::max(engine_.NumProfiles(), 1)),
      pool_(profile_count_, [this](int profile) { return std::make_unique<Context>(*this, profile); }) {
  ReadTensors(record);
}

void LoadedEngine::ReadTensors(const abi::Record& record) {
  for (const std::string& name : CallOrder("input", record.input_names, PlanNames(engine_, TensorIOMode::kINPUT))) {
    inputs_.push_back(ReadTensorInfo(engine_, name.c_str()));
  }
  for (const std::string& name : CallOrder("output", record.output_names, PlanNames(engine_, TensorIOMode::kOUTPUT))) {
    outputs_.push_back(ReadTensorInfo(engine_, name.c_str()));
  }
}

std::string LoadedEngine::LayerInformation() const {
  return engine_.CreateInspector().EngineInformation(tensorrt::LayerInformationFormat::kJSON);
}

}  // namespace nacelle::runtime
