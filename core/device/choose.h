// Which of the devices here runs an engine that was built for another one.
#ifndef NACELLE_CORE_DEVICE_CHOOSE_H_
#define NACELLE_CORE_DEVICE_CHOOSE_H_

#include <optional>
#include <string>
#include <vector>

#include "core/device/device.h"

namespace nacelle::device {

// The devices of this machine, as far as this process may use them.
struct Inventory {
  std::vector<Device> devices;  // ascending by id
  std::optional<int> current;   // the id of the calling thread's current device, if it has one
  std::string why_none;         // where `devices` is empty: the reason, for the error
};

// The device for an engine whose record names `recorded`. Pure: looks at nothing but its arguments.
//
// A record of the CPU gets the CPU. Otherwise only devices of the recorded type count, and of these only those with
// the recorded compute capability (any of 8.0 or newer if `hardware_compatible`). Among them: the current device,
// else the one with the recorded id if it also has the recorded name, else the first with the recorded name, else
// the first. Throws DeviceError that says what was wanted and lists every device here, or why there are none.
Device Choose(const Device& recorded, bool hardware_compatible, const Inventory& here);

}  // namespace nacelle::device

#endif  // NACELLE_CORE_DEVICE_CHOOSE_H_
