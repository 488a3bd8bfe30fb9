// Where an engine will run.
#ifndef NACELLE_RUNTIME_INTERNAL_CHOOSE_DEVICE_H_
#define NACELLE_RUNTIME_INTERNAL_CHOOSE_DEVICE_H_

#include <c10/core/Device.h>

#include "core/device/device.h"
#include "core/plan/plan_header.h"
#include "core/record/record.h"
#include "runtime/settings.h"

namespace nacelle::runtime {

// The device for an engine: chosen among those here by what the record, the plan's header and the settings want (see
// core/device/choose.h). Throws DeviceError that names what was wanted and what is here. Any thread.
c10::Device ChooseDevice(const record::Record& record, const plan::PlanHeader& header, const Settings& settings);

// A GPU that ChooseDevice gave, as records name it.
device::Device RecordedGpu(c10::Device device);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_CHOOSE_DEVICE_H_
