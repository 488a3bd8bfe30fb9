// The dtypes that torch and TensorRT share, as the reference engine has them.
#ifndef NACELLE_RUNTIME_REFERENCE_DTYPE_H_
#define NACELLE_RUNTIME_REFERENCE_DTYPE_H_

#include <cstdint>
#include <span>

#include "core/release.h"
#include "core/tensorrt/slot_tables.h"

namespace nacelle::reference {

struct Dtype {
  tensorrt::DataType type;
  const char* name;    // as torch's Python names it: "float32"
  int32_t bytes;       // of an element
  const char* format;  // what getTensorFormatDesc answers
  Release since;       // the first release whose DataType has it
};

// All of them, ascending by `type`. kINT4 and kFP4 are not among them: torch has no element of four bits (its
// float4_e2m1fn_x2 is two values at once, which shapes would have to account for).
std::span<const Dtype> Dtypes();

// nullptr for a value that is not among Dtypes().
const Dtype* FindDtype(tensorrt::DataType type);

}  // namespace nacelle::reference

#endif  // NACELLE_RUNTIME_REFERENCE_DTYPE_H_
