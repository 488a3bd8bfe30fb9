#include "core/device/device.h"

#include <array>
#include <charconv>
#include <system_error>

#include "core/error.h"
#include "core/text.h"

namespace nacelle::device {
namespace {

constexpr size_t kParts = 5;
constexpr std::string_view kForm = "id%major%minor%type%name";

[[noreturn]] void ThrowBad(std::string_view text, const std::string& problem) {
  throw RecordError(Cat("device ", Quote(text), " ", problem, "; wanted ", kForm, ", for instance 0%8%6%0%NVIDIA A10"));
}

std::array<std::string_view, kParts> Split(std::string_view text) {
  std::array<std::string_view, kParts> parts;
  size_t count = 0;
  for (std::string_view rest = text;; ++count) {
    const size_t end = rest.find(kDeviceDelimiter);
    if (count < kParts) parts[count] = rest.substr(0, end);
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  if (count + 1 != kParts) ThrowBad(text, Cat("has ", count + 1, " parts between '%' instead of ", kParts));
  return parts;
}

// Reads a plain decimal number: no sign, no space, no leading zero.
int ReadNumber(std::string_view text, std::string_view part, std::string_view name) {
  int value = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
  if (error != std::errc() || end != part.data() + part.size() || std::to_string(value) != part || value < 0) {
    ThrowBad(text, Cat("has ", Quote(part, 24), " as its ", name, ", which is not a plain decimal number"));
  }
  return value;
}

}  // namespace

Device Device::Cpu() { return {.name = "cpu"}; }

bool Device::IsCpu() const { return *this == Cpu(); }

Device Device::Parse(std::string_view text) {
  const auto parts = Split(text);
  Device device;
  device.id = ReadNumber(text, parts[0], "id");
  device.major = ReadNumber(text, parts[1], "major compute capability");
  device.minor = ReadNumber(text, parts[2], "minor compute capability");
  const int type = ReadNumber(text, parts[3], "type");
  if (type > static_cast<int>(Type::kDla)) ThrowBad(text, Cat("is of type ", type, ", neither 0 (GPU) nor 1 (DLA)"));
  device.type = static_cast<Type>(type);
  device.name = parts[4];
  return device;
}

std::string Device::ToString() const {
  if (id < 0 || major < 0 || minor < 0) {
    throw RecordError(Cat("device ", Describe(), " cannot be written: its numbers must not be negative"));
  }
  if (name.find(kDeviceDelimiter) != std::string::npos) {
    throw RecordError(Cat("device ", Describe(), " cannot be written: its name must not hold '%'"));
  }
  return Cat(id, kDeviceDelimiter, major, kDeviceDelimiter, minor, kDeviceDelimiter, static_cast<int>(type),
             kDeviceDelimiter, name);
}

std::string Device::Describe() const {
  if (IsCpu()) return "the CPU";
  return Cat(type == Type::kDla ? "DLA " : "GPU ", id, " ", Quote(name), " (compute capability ", major, ".", minor,
             ")");
}

}  // namespace nacelle::device
