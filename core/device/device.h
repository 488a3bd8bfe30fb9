// A device that engines are built for and run on, as records write it.
//
//   const Device device = Device::Parse("0%8%6%0%NVIDIA A10");  // id 0, compute capability 8.6, a GPU
//   device.Describe();                                          // GPU 0 "NVIDIA A10" (compute capability 8.6)
#ifndef NACELLE_CORE_DEVICE_DEVICE_H_
#define NACELLE_CORE_DEVICE_DEVICE_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace nacelle::device {

inline constexpr char kDeviceDelimiter = '%';  // between the parts of a device's text

enum class Type : uint8_t { kGpu = 0, kDla = 1 };

// A device: a plain value. Its text is `id%major%minor%type%name`, for instance `0%9%0%0%NVIDIA H100 80GB HBM3`.
struct Device {
  int id = 0;     // CUDA's ordinal on the machine that wrote it
  int major = 0;  // compute capability
  int minor = 0;
  Type type = Type::kGpu;
  std::string name;  // as the driver gives it; holds no '%'

  // Returns the device that the reference engine runs on: 0%0%0%0%cpu.
  static Device Cpu();
  bool IsCpu() const;

  // Reads a device's text. Throws RecordError for a text that ToString() does not write: another number of parts, a
  // number that is not a plain decimal, another type.
  static Device Parse(std::string_view text);

  // Returns the text. Throws RecordError for a name with a '%' in it and for negative numbers, which it cannot hold.
  std::string ToString() const;

  // Describes the device in a message: `GPU 0 "NVIDIA A10" (compute capability 8.6)`, `the CPU`.
  std::string Describe() const;

  friend bool operator==(const Device&, const Device&) = default;
};

}  // namespace nacelle::device

#endif  // NACELLE_CORE_DEVICE_DEVICE_H_
