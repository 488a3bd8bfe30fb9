#include "runtime/reference/dtype.h"

#include <algorithm>
#include <array>

namespace nacelle::reference {
namespace {

using tensorrt::DataType;

constexpr std::array kDtypes = {
    Dtype{DataType::kFLOAT, "float32", 4, "Row major linear FP32 format (kLINEAR)", {8, 5, 0, 0}},
    Dtype{DataType::kHALF, "float16", 2, "Row major linear FP16 format (kLINEAR)", {8, 5, 0, 0}},
    Dtype{DataType::kINT8, "int8", 1, "Row major linear INT8 format (kLINEAR)", {8, 5, 0, 0}},
    Dtype{DataType::kINT32, "int32", 4, "Row major linear INT32 format (kLINEAR)", {8, 5, 0, 0}},
    Dtype{DataType::kBOOL, "bool", 1, "Row major linear BOOL format (kLINEAR)", {8, 5, 0, 0}},
    Dtype{DataType::kUINT8, "uint8", 1, "Row major linear UINT8 format (kLINEAR)", {8, 5, 0, 0}},
    Dtype{DataType::kFP8, "float8_e4m3fn", 1, "Row major linear FP8 format (kLINEAR)", {8, 6, 0, 0}},
    Dtype{DataType::kBF16, "bfloat16", 2, "Row major linear BF16 format (kLINEAR)", {10, 0, 0, 0}},
    Dtype{DataType::kINT64, "int64", 8, "Row major linear INT64 format (kLINEAR)", {10, 0, 0, 0}},
    Dtype{DataType::kE8M0, "float8_e8m0fnu", 1, "Row major linear E8M0 format (kLINEAR)", {10, 12, 0, 0}},
};

}  // namespace

std::span<const Dtype> Dtypes() { return kDtypes; }

const Dtype* FindDtype(DataType type) {
  const auto* found = std::ranges::find(kDtypes, type, &Dtype::type);
  return found == kDtypes.end() ? nullptr : found;
}

}  // namespace nacelle::reference
