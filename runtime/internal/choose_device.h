// Chooses the device that an engine runs on.
#ifndef NACELLE_RUNTIME_INTERNAL_CHOOSE_DEVICE_H_
#define NACELLE_RUNTIME_INTERNAL_CHOOSE_DEVICE_H_

#include <c10/core/Device.h>

#include "core/device/device.h"
#include "core/plan/plan_header.h"
#include "core/record/record.h"
#include "runtime/settings.h"

namespace nacelle::runtime {

// Chooses a device of this machine for an engine by its record, its plan's header and its settings (see
// core/device/choose.h). Throws DeviceError that names the devices found and the one wanted. Any thread.
c10::Device ChooseDevice(const record::Record& record, const plan::PlanHeader& header, const Settings& settings);

// Returns a GPU that ChooseDevice chose in the form of records.
device::Device RecordedGpu(c10::Device device);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_CHOOSE_DEVICE_H_
