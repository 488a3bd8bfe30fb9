#include "core/device/choose.h"

#include <algorithm>

#include "core/error.h"
#include "core/text.h"

namespace nacelle::device {
namespace {

constexpr int kHardwareCompatibleMajor = 8;  // hardware compatible plans run on this compute capability and newer

bool Runs(const Device& device, const Device& recorded, bool hardware_compatible) {
  if (device.type != recorded.type) return false;
  if (hardware_compatible) return device.major >= kHardwareCompatibleMajor;
  return device.major == recorded.major && device.minor == recorded.minor;
}

std::string Wanted(const Device& recorded, bool hardware_compatible) {
  const std::string kind = recorded.type == Type::kDla ? "a DLA" : "a GPU";
  if (hardware_compatible) {
    return Cat(kind, " of compute capability 8.0 or newer (the engine is hardware compatible, built on ",
               recorded.Describe(), ")");
  }
  return Cat(kind, " of compute capability ", recorded.major, ".", recorded.minor, " (the engine was built on ",
             recorded.Describe(), ")");
}

std::string Present(const Inventory& here) {
  if (here.devices.empty()) {
    return here.why_none.empty() ? "there is no device" : Cat("there is no device: ", here.why_none);
  }
  std::vector<std::string> descriptions;
  for (const Device& device : here.devices) descriptions.push_back(device.Describe());
  return Cat(here.devices.size() == 1 ? "the only device is " : "the devices are ", Join(descriptions, ", "));
}

[[noreturn]] void ThrowNone(const Device& recorded, bool hardware_compatible, const Inventory& here) {
  const bool no_dla = recorded.type == Type::kDla && std::none_of(here.devices.begin(), here.devices.end(),
                                                                  [](const Device& d) { return d.type == Type::kDla; });
  throw DeviceError(Cat("no device here can run this engine; wanted ", Wanted(recorded, hardware_compatible), "; here ",
                        Present(here),
                        no_dla ? ". There is no DLA here: build the engine for a GPU, or run it on a "
                                 "machine with the DLA that is named"
                               : ". Build the engine again on this machine, or run it on one with "
                                 "such a device"));
}

}  // namespace

Device Choose(const Device& recorded, bool hardware_compatible, const Inventory& here) {
  if (recorded.IsCpu()) return recorded;
  std::vector<const Device*> candidates;
  for (const Device& device : here.devices) {
    if (Runs(device, recorded, hardware_compatible)) candidates.push_back(&device);
  }
  if (candidates.empty()) ThrowNone(recorded, hardware_compatible, here);
  const auto first = [&](auto&& matches) -> const Device* {
    const auto found = std::find_if(candidates.begin(), candidates.end(), [&](const Device* d) { return matches(*d); });
    return found == candidates.end() ? nullptr : *found;
  };
  // A DLA is no CUDA device: the current device says nothing about it.
  const auto is_current = [&](const Device& d) { return d.type == Type::kGpu && here.current == d.id; };
  const auto has_name = [&](const Device& d) { return d.name == recorded.name; };
  if (const Device* device = first(is_current)) return *device;
  if (const Device* device = first([&](const Device& d) { return d.id == recorded.id && has_name(d); })) return *device;
  if (const Device* device = first(has_name)) return *device;
  return *candidates.front();
}

}  // namespace nacelle::device
