#include "runtime/internal/choose_device.h"

#include <algorithm>
#include <optional>

#include "core/device/choose.h"
#include "core/device/cuda_driver.h"
#include "core/error.h"
#include "core/text.h"

namespace nacelle::runtime {
namespace {

// Returns the GPUs of this machine that the setting allows. Throws DeviceError if it names a GPU that is not here.
device::Inventory Choices(const std::optional<c10::Device>& wanted) {
  device::Inventory here = device::CudaDriver::Process().Devices();
  if (!wanted || here.devices.empty()) return here;
  const int id = wanted->has_index() ? wanted->index() : here.current.value_or(0);
  const size_t count = here.devices.size();
  std::erase_if(here.devices, [&](const device::Device& device) { return device.id != id; });
  if (here.devices.empty()) {
    throw DeviceError(Cat("it cannot run on ", wanted->str(), ": there is no such GPU; found ", count,
                          count == 1 ? " GPU" : " GPUs", ", so name cuda:0",
                          count == 1 ? "" : Cat(" to cuda:", count - 1)));
  }
  return here;
}

}  // namespace

c10::Device ChooseDevice(const record::Record& record, const plan::PlanHeader& header, const Settings& settings) {
  if (header.kind == plan::PlanKind::kReference) {
    if (!settings.device || settings.device->is_cpu()) return c10::kCPU;
    throw DeviceError(Cat("it cannot run on ", settings.device->str(),
                          ": its plan is of the reference engine, which runs on the CPU; build the engine with "
                          "TensorRT for a GPU"));
  }
  if (settings.device && !settings.device->is_cuda()) {
    throw DeviceError(Cat("it cannot run on ", settings.device->str(), ": its plan was built by ", header.Describe(),
                          ", which runs on GPUs; name a CUDA device"));
  }
  try {
    device::CudaDriver::Process().CheckNotForked();
    const device::Device chosen = device::Choose(record.device, record.hardware_compatible, Choices(settings.device));
    if (!chosen.IsCpu()) return {c10::kCUDA, static_cast<c10::DeviceIndex>(chosen.id)};
  } catch (const DeviceError& error) {
    throw DeviceError(
        Cat("its plan was built by ", header.Describe(), " for ", record.device.Describe(), "; ", error.what()));
  }
  throw DeviceError(Cat("its plan was built by ", header.Describe(),
                        ", which runs on GPUs, but its record names the CPU; "
                        "embed the plan anew with the device that it was built for"));
}

device::Device RecordedGpu(c10::Device device) {
  const device::Inventory here = device::CudaDriver::Process().Devices();
  return *std::ranges::find(here.devices, int{device.index()}, &device::Device::id);
}

}  // namespace nacelle::runtime
