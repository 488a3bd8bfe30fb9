// The data types of tensors: one table of their names, sizes and numbers.
//
// Pure functions and constants: any thread may use them.
//
//   if (const DataTypeInfo* info = FindDataType(type)) bytes = count * info->bytes;
#ifndef NACELLE_CORE_TENSORRT_DATA_TYPE_H_
#define NACELLE_CORE_TENSORRT_DATA_TYPE_H_

#include <array>
#include <cstdint>
#include <string_view>

#include "core/release.h"
#include "core/tensorrt/slot_tables.h"

namespace nacelle::tensorrt {

struct DataTypeInfo {
  DataType type;
  const char* name;    // as torch's Python names it: "float32"
  int8_t torch_type;   // the value of c10::ScalarType, which torch's file formats fix
  int32_t bytes;       // per element
  const char* format;  // TensorRT's description of a row-major tensor (getTensorFormatDesc)
  Release since;       // the first release whose DataType has it
};

// The data types that TensorRT and torch share, ascending by `type`. kINT4 and kFP4 are missing: torch has no element
// of four bits (its float4_e2m1fn_x2 is two values at once, which shapes would have to account for).
inline constexpr std::array kDataTypes = {
    DataTypeInfo{DataType::kFLOAT, "float32", 6, 4, "Row major linear FP32 format (kLINEAR)", {8, 5, 0, 0}},
    DataTypeInfo{DataType::kHALF, "float16", 5, 2, "Row major linear FP16 format (kLINEAR)", {8, 5, 0, 0}},
    DataTypeInfo{DataType::kINT8, "int8", 1, 1, "Row major linear INT8 format (kLINEAR)", {8, 5, 0, 0}},
    DataTypeInfo{DataType::kINT32, "int32", 3, 4, "Row major linear INT32 format (kLINEAR)", {8, 5, 0, 0}},
    DataTypeInfo{DataType::kBOOL, "bool", 11, 1, "Row major linear BOOL format (kLINEAR)", {8, 5, 0, 0}},
    DataTypeInfo{DataType::kUINT8, "uint8", 0, 1, "Row major linear UINT8 format (kLINEAR)", {8, 5, 0, 0}},
    DataTypeInfo{DataType::kFP8, "float8_e4m3fn", 24, 1, "Row major linear FP8 format (kLINEAR)", {8, 6, 0, 0}},
    DataTypeInfo{DataType::kBF16, "bfloat16", 15, 2, "Row major linear BF16 format (kLINEAR)", {10, 0, 0, 0}},
    DataTypeInfo{DataType::kINT64, "int64", 4, 8, "Row major linear INT64 format (kLINEAR)", {10, 0, 0, 0}},
    DataTypeInfo{DataType::kE8M0, "float8_e8m0fnu", 44, 1, "Row major linear E8M0 format (kLINEAR)", {10, 12, 0, 0}},
};

// Returns the entry of `type`; null if torch has no such data type.
constexpr const DataTypeInfo* FindDataType(DataType type) {
  for (const DataTypeInfo& info : kDataTypes) {
    if (info.type == type) return &info;
  }
  return nullptr;
}

// Returns the entry of torch's type number `torch_type`; null if TensorRT has no such data type (float64, complex64).
constexpr const DataTypeInfo* FindTorchType(int8_t torch_type) {
  for (const DataTypeInfo& info : kDataTypes) {
    if (info.torch_type == torch_type) return &info;
  }
  return nullptr;
}

// Returns the entry called `name`; null if there is none.
constexpr const DataTypeInfo* FindDataType(std::string_view name) {
  for (const DataTypeInfo& info : kDataTypes) {
    if (name == info.name) return &info;
  }
  return nullptr;
}

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_DATA_TYPE_H_
