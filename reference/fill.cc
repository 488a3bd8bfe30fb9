#include "reference/fill.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "core/tensorrt/data_type.h"

namespace nacelle::reference {
namespace {

// Returns the bits of the number 1 in `dtype`.
uint64_t OneBits(tensorrt::DataType dtype) {
  switch (dtype) {
    case tensorrt::DataType::kFLOAT:
      return 0x3f800000;
    case tensorrt::DataType::kHALF:
      return 0x3c00;
    case tensorrt::DataType::kBF16:
      return 0x3f80;
    case tensorrt::DataType::kFP8:
      return 0x38;
    case tensorrt::DataType::kE8M0:
      return 0x7f;
    default:
      return 1;
  }
}

// kMixed takes the top bit of a product with an odd constant: irregular, and the same on every machine.
bool IsOne(Fill fill, int64_t index) {
  if (fill != Fill::kMixed) return fill == Fill::kOnes;
  return ((static_cast<uint64_t>(index) + 1) * 0x9e3779b97f4a7c15u) >> 63 != 0;
}

}  // namespace

std::vector<char> Filled(tensorrt::DataType dtype, int64_t count, Fill fill) {
  const auto size = static_cast<size_t>(tensorrt::FindDataType(dtype)->bytes);
  std::vector<char> bytes(std::max<size_t>(1, static_cast<size_t>(count) * size), 0);
  if (fill == Fill::kZeros) return bytes;
  // The low bytes come first: this runs on little-endian machines, as TensorRT does.
  const uint64_t bits = OneBits(dtype);
  for (int64_t i = 0; i < count; ++i) {
    if (IsOne(fill, i)) std::memcpy(bytes.data() + static_cast<size_t>(i) * size, &bits, size);
  }
  return bytes;
}

std::vector<char> Bytes(tensorrt::DataType dtype, const std::vector<int64_t>& values) {
  const auto size = static_cast<size_t>(tensorrt::FindDataType(dtype)->bytes);
  std::vector<char> bytes(values.size() * size);
  for (size_t i = 0; i < values.size(); ++i) {
    // The low bytes come first.
    std::memcpy(bytes.data() + i * size, &values[i], size);
  }
  return bytes;
}

}  // namespace nacelle::reference
