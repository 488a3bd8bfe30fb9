// The dtypes of the reference engine as torch has them.
#ifndef NACELLE_RUNTIME_REFERENCE_SCALAR_TYPE_H_
#define NACELLE_RUNTIME_REFERENCE_SCALAR_TYPE_H_

#include <c10/core/ScalarType.h>

#include <array>
#include <optional>
#include <utility>

#include "core/tensorrt/slot_tables.h"

namespace nacelle::reference {

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

// nullopt where torch has no such dtype.
constexpr std::optional<c10::ScalarType> ToScalarType(tensorrt::DataType type) {
  for (const auto& [tensorrt, torch] : kScalarTypes) {
    if (tensorrt == type) return torch;
  }
  return std::nullopt;
}

// nullopt where TensorRT has no such dtype.
constexpr std::optional<tensorrt::DataType> ToDataType(c10::ScalarType type) {
  for (const auto& [tensorrt, torch] : kScalarTypes) {
    if (torch == type) return tensorrt;
  }
  return std::nullopt;
}

}  // namespace nacelle::reference

#endif  // NACELLE_RUNTIME_REFERENCE_SCALAR_TYPE_H_
