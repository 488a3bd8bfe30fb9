#include "core/device/choose.h"

#include <algorithm>

#include "core/error.h"
#include "core/text.h"

namespace nacelle::device {
namespace {

constexpr int kHardwareCompatibleMajor = 8;  // hardware compatible plans run on this compute capability and newer

bool CanRun(const Device& device, const Device& recorded, bool hardware_compatible) {
  if (device.type != recorded.type) return false;
  if (hardware_compatible) return device.major >= kHardwareCompatibleMajor;
  return device.major == recorded.major && device.minor == recorded.minor;
}

std::string DescribeRequirement(const Device& recorded, bool hardware_compatible) {
  const std::string kind = recorded.type == Type::kDla ? "a DLA" : "a GPU";
  if (hardware_compatible) {
    return Cat(kind, " of compute capability 8.0 or newer (the engine is hardware compatible, built on ",
               recorded.Describe(), ")");
  }
  return Cat(kind, " of compute capability ", recorded.major, ".", recorded.minor, " (the engine was built on ",
             recorded.Describe(), ")");
}

std::string DescribeDevices(const Inventory& inventory) {
  if (inventory.devices.empty()) {
    return inventory.why_none.empty() ? "none" : Cat("none: ", inventory.why_none);
  }
  std::vector<std::string> descriptions;
  for (const Device& device : inventory.devices) descriptions.push_back(device.Describe());
  return Join(descriptions, ", ");
}

[[noreturn]] void ThrowNone(const Device& recorded, bool hardware_compatible, const Inventory& inventory) {
  const bool no_dla = recorded.type == Type::kDla &&
                      std::ranges::none_of(inventory.devices, [](const Device& d) { return d.type == Type::kDla; });
  throw DeviceError(Cat("no device can run this engine; found ", DescribeDevices(inventory), "; wanted ",
                        DescribeRequirement(recorded, hardware_compatible),
                        no_dla ? "; this machine has no DLA: build the engine for a GPU, or run it on a machine with "
                                 "the DLA that is named"
                               : "; build the engine again on this machine, or run it on one with such a device"));
}

}  // namespace

Device Choose(const Device& recorded, bool hardware_compatible, const Inventory& inventory) {
  if (recorded.IsCpu()) return recorded;
  std::vector<const Device*> candidates;
  for (const Device& device : inventory.devices) {
    if (CanRun(device, recorded, hardware_compatible)) candidates.push_back(&device);
  }
  if (candidates.empty()) ThrowNone(recorded, hardware_compatible, inventory);
  const auto first = [&](auto&& matches) -> const Device* {
    const auto it = std::ranges::find_if(candidates, [&](const Device* d) { return matches(*d); });
    return it == candidates.end() ? nullptr : *it;
  };
  // A DLA is no CUDA device: the current device says nothing about it.
  const auto is_current = [&](const Device& d) { return d.type == Type::kGpu && inventory.current == d.id; };
  const auto has_name = [&](const Device& d) { return d.name == recorded.name; };
  if (const Device* device = first(is_current)) return *device;
  if (const Device* device = first([&](const Device& d) { return d.id == recorded.id && has_name(d); })) return *device;
  if (const Device* device = first(has_name)) return *device;
  return *candidates.front();
}

}  // namespace nacelle::device
