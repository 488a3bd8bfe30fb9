// Chooses the device of this machine that runs an engine which was built on another device.
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
  std::string why_none;         // the reason if `devices` is empty, for the error
};

// Returns the device for an engine whose record names `recorded`. Pure: it looks at nothing but its arguments.
//
// A record of the CPU gets the CPU. Otherwise a device must have the recorded type and compute capability (any of 8.0
// or newer if `hardware_compatible`). Among such devices it takes the current one, else the one with the recorded id
// if it also has the recorded name, else the first with the recorded name, else the first. Throws DeviceError that
// lists every device of the machine, or why there are none, and says which device was wanted.
Device Choose(const Device& recorded, bool hardware_compatible, const Inventory& inventory);

}  // namespace nacelle::device

#endif  // NACELLE_CORE_DEVICE_CHOOSE_H_
