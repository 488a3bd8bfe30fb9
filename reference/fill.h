// Values to try a module on.
#ifndef NACELLE_REFERENCE_FILL_H_
#define NACELLE_REFERENCE_FILL_H_

#include <cstdint>
#include <vector>

#include "core/tensorrt/slot_tables.h"

namespace nacelle::reference {

// Kinds of made-up values: zeros and ones, which are small enough for indices. Every dtype has both but E8M0, whose
// zero bits are its smallest number.
enum class Fill : uint8_t {
  kZeros,
  kOnes,
  kMixed,  // both, in a fixed irregular order
};

// Returns the bytes of `count` elements of `dtype`, which is one of tensorrt::kDataTypes. At least one byte, so that
// data() is an address even for no elements.
std::vector<char> Filled(tensorrt::DataType dtype, int64_t count, Fill fill);

// Returns the bytes of `values` as elements of `dtype`: int64, or int32, which they have to fit.
std::vector<char> Bytes(tensorrt::DataType dtype, const std::vector<int64_t>& values);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_FILL_H_
