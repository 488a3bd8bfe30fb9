#include "runtime/scalar_type.h"

#include <algorithm>
#include <array>

namespace nacelle::runtime {
namespace {

using at::ScalarType;
using tensorrt::DataType;

struct Pair {
  ScalarType torch;
  DataType tensorrt;
  const char* name;
};

constexpr std::array kPairs = {
    Pair{ScalarType::Float, DataType::kFLOAT, "float32"},
    Pair{ScalarType::Half, DataType::kHALF, "float16"},
    Pair{ScalarType::Char, DataType::kINT8, "int8"},
    Pair{ScalarType::Int, DataType::kINT32, "int32"},
    Pair{ScalarType::Bool, DataType::kBOOL, "bool"},
    Pair{ScalarType::Byte, DataType::kUINT8, "uint8"},
    Pair{ScalarType::Float8_e4m3fn, DataType::kFP8, "float8_e4m3fn"},
    Pair{ScalarType::BFloat16, DataType::kBF16, "bfloat16"},
    Pair{ScalarType::Long, DataType::kINT64, "int64"},
    Pair{ScalarType::Float8_e8m0fnu, DataType::kE8M0, "float8_e8m0fnu"},
};

}  // namespace

std::optional<ScalarType> ToScalarType(DataType type) {
  const auto* pair = std::ranges::find(kPairs, type, &Pair::tensorrt);
  return pair == kPairs.end() ? std::nullopt : std::optional(pair->torch);
}

std::optional<DataType> ToDataType(ScalarType type) {
  const auto* pair = std::ranges::find(kPairs, type, &Pair::torch);
  return pair == kPairs.end() ? std::nullopt : std::optional(pair->tensorrt);
}

std::string DtypeName(ScalarType type) {
  const auto* pair = std::ranges::find(kPairs, type, &Pair::torch);
  if (pair != kPairs.end()) return pair->name;
  if (type == ScalarType::Double) return "float64";
  if (type == ScalarType::Short) return "int16";
  return c10::toString(type);
}

std::optional<DataType> DataTypeFromName(std::string_view name) {
  const auto* pair = std::ranges::find(kPairs, name, &Pair::name);
  return pair == kPairs.end() ? std::nullopt : std::optional(pair->tensorrt);
}

}  // namespace nacelle::runtime
