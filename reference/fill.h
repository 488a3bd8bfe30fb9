// Made-up values to try a module on.
#ifndef NACELLE_REFERENCE_FILL_H_
#define NACELLE_REFERENCE_FILL_H_

#include <cstdint>
#include <vector>

#include "core/tensorrt/slot_tables.h"

namespace nacelle::reference {

// Zeros and ones alone: they are small enough for indices, and every dtype has them but E8M0, whose zero bits are its
// least number.
enum class Fill : uint8_t {
  kZeros,
  kOnes,
  kMixed,  // both, in an irregular order that is always the same
};

// `count` elements of `dtype`, which is one of tensorrt::kDataTypes. Never empty, so that its data is an address also
// for none.
std::vector<char> Filled(tensorrt::DataType dtype, int64_t count, Fill fill);

// `values` as elements of `dtype`, which is int32, where they have to fit, or int64.
std::vector<char> Bytes(tensorrt::DataType dtype, const std::vector<int64_t>& values);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_FILL_H_
