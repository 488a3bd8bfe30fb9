#include "runtime/internal/read_tensor_info.h"

#include <span>

#include "core/error.h"
#include "core/tensorrt/data_type.h"
#include "core/text.h"

namespace nacelle::runtime {
namespace {

constexpr bool Matches(tensorrt::DataType type, at::ScalarType dtype) {
  return tensorrt::FindDataType(type)->torch_type == static_cast<int8_t>(dtype);
}
static_assert(Matches(tensorrt::DataType::kFLOAT, at::ScalarType::Float));
static_assert(Matches(tensorrt::DataType::kHALF, at::ScalarType::Half));
static_assert(Matches(tensorrt::DataType::kINT8, at::ScalarType::Char));
static_assert(Matches(tensorrt::DataType::kINT32, at::ScalarType::Int));
static_assert(Matches(tensorrt::DataType::kBOOL, at::ScalarType::Bool));
static_assert(Matches(tensorrt::DataType::kUINT8, at::ScalarType::Byte));
static_assert(Matches(tensorrt::DataType::kFP8, at::ScalarType::Float8_e4m3fn));
static_assert(Matches(tensorrt::DataType::kBF16, at::ScalarType::BFloat16));
static_assert(Matches(tensorrt::DataType::kINT64, at::ScalarType::Long));
static_assert(Matches(tensorrt::DataType::kE8M0, at::ScalarType::Float8_e8m0fnu));

std::vector<int64_t> ToVector(const tensorrt::Dims& dims) {
  const std::span<const int64_t> extents = dims.extents();
  return {extents.begin(), extents.end()};
}

}  // namespace

std::vector<std::string> NamesOf(const std::vector<TensorInfo>& tensors) {
  std::vector<std::string> names;
  for (const TensorInfo& tensor : tensors) names.push_back(tensor.name);
  return names;
}

TensorInfo ReadTensorInfo(const tensorrt::CudaEngine& engine, const char* name) {
  TensorInfo info;
  info.name = name;
  const tensorrt::DataType type = engine.Type(name);
  const tensorrt::DataTypeInfo* const known = tensorrt::FindDataType(type);
  if (known == nullptr) {
    throw PlanError(Cat("tensor ", Quote(name), " has TensorRT's data type number ", static_cast<int>(type),
                        ", for which torch has no dtype; build the plan with that tensor in another type"));
  }
  info.dtype = static_cast<at::ScalarType>(known->torch_type);
  info.shape = ToVector(engine.Shape(name));
  info.on_host = engine.Location(name) == tensorrt::TensorLocation::kHOST;
  if (engine.IoMode(name) != tensorrt::TensorIOMode::kINPUT) return info;
  using Selector = tensorrt::OptProfileSelector;
  for (int profile = 0; profile < engine.NumProfiles(); ++profile) {
    info.optimization_profiles.push_back({ToVector(engine.ProfileShape(name, profile, Selector::kMIN)),
                                          ToVector(engine.ProfileShape(name, profile, Selector::kOPT)),
                                          ToVector(engine.ProfileShape(name, profile, Selector::kMAX))});
  }
  // A plan without optimization profiles has fixed shapes.
  if (info.optimization_profiles.empty()) info.optimization_profiles.push_back({info.shape, info.shape, info.shape});
  return info;
}

}  // namespace nacelle::runtime
