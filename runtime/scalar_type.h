// The dtypes that torch and TensorRT share.
#ifndef NACELLE_RUNTIME_SCALAR_TYPE_H_
#define NACELLE_RUNTIME_SCALAR_TYPE_H_

#include <c10/core/ScalarType.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/tensorrt/slot_tables.h"
#include "runtime/export.h"

namespace nacelle::runtime {

inline constexpr std::array kScalarTypes = {
    std::pair{tensorrt::DataType::kFLOAT, c10::ScalarType::Float},
    std::pair{tensorrt::DataType::kHALF, c10::ScalarType::Half},
    std::pair{tensorrt::DataType::kINT8, c10::ScalarType::Char},
    std::pair{tensorrt::DataType::kINT32, c10::ScalarType::Int},
    std::pair{tensorrt::DataType::kBOOL, c10::ScalarType::Bool},
    std::pair{tensorrt::DataType::kUINT8, c10::ScalarType::Byte},
    std::pair{tensorrt::DataType::kFP8, c10::ScalarType::Float8_e4m3fn},
    std::pair{tensorrt::DataType::kBF16, c10::ScalarType::BFloat16},
    std::pair{tensorrt::DataType::kINT64, c10::ScalarType::Long},
    std::pair{tensorrt::DataType::kE8M0, c10::ScalarType::Float8_e8m0fnu},
};

// nullopt where torch has no such dtype (kINT4, kFP4: torch packs two values into an element).
constexpr std::optional<c10::ScalarType> ToScalarType(tensorrt::DataType type) {
  for (const auto& [tensorrt, torch] : kScalarTypes) {
    if (tensorrt == type) return torch;
  }
  return std::nullopt;
}

// nullopt where TensorRT has no such dtype (float64, complex64 …).
constexpr std::optional<tensorrt::DataType> ToDataType(c10::ScalarType type) {
  for (const auto& [tensorrt, torch] : kScalarTypes) {
    if (torch == type) return tensorrt;
  }
  return std::nullopt;
}

// The name that Python uses: "float32", "int64" …
NACELLE_API std::string DtypeName(at::ScalarType type);

// The opposite, for the dtypes that torch and TensorRT share; nullopt for others.
NACELLE_API std::optional<tensorrt::DataType> DataTypeFromName(std::string_view name);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_SCALAR_TYPE_H_
