#include "runtime/tensor_info.h"

#include <span>

#include "core/error.h"
#include "core/text.h"
#include "runtime/scalar_type.h"

namespace nacelle::runtime {
namespace {

std::vector<int64_t> ToVector(const tensorrt::Dims& dims) {
  const std::span<const int64_t> extents = dims.extents();
  return {extents.begin(), extents.end()};
}

}  // namespace

std::string ShapeText(const int64_t* sizes, size_t rank) {
  std::string text = "[";
  for (size_t i = 0; i < rank; ++i) text += Cat(i == 0 ? "" : ", ", sizes[i]);
  return text + "]";
}

std::vector<std::string> NamesOf(const std::vector<TensorInfo>& tensors) {
  std::vector<std::string> names;
  for (const TensorInfo& tensor : tensors) names.push_back(tensor.name);
  return names;
}

std::string Describe(const TensorInfo& info) {
  std::string text = Cat(info.name, ": ", DtypeName(info.dtype), " ", ShapeText(info.shape));
  for (const ShapeRange& range : info.profiles) {
    if (range.min == range.max) continue;
    text += Cat(", from ", ShapeText(range.min), " to ", ShapeText(range.max));
  }
  return text;
}

TensorInfo ReadTensorInfo(const tensorrt::CudaEngine& engine, const char* name) {
  TensorInfo info;
  info.name = name;
  const tensorrt::DataType type = engine.Type(name);
  const auto dtype = ToScalarType(type);
  if (!dtype) {
    throw PlanError(Cat("tensor ", Quote(name), " has TensorRT's data type number ", static_cast<int>(type),
                        ", for which torch has no dtype; build the plan with that tensor in another type"));
  }
  info.dtype = *dtype;
  info.shape = ToVector(engine.Shape(name));
  info.on_host = engine.Location(name) == tensorrt::TensorLocation::kHOST;
  if (engine.IoMode(name) != tensorrt::TensorIOMode::kINPUT) return info;
  using Selector = tensorrt::OptProfileSelector;
  for (int profile = 0; profile < engine.NumProfiles(); ++profile) {
    info.profiles.push_back({ToVector(engine.ProfileShape(name, profile, Selector::kMIN)),
                             ToVector(engine.ProfileShape(name, profile, Selector::kOPT)),
                             ToVector(engine.ProfileShape(name, profile, Selector::kMAX))});
  }
  // A plan without profiles has fixed shapes.
  if (info.profiles.empty()) info.profiles.push_back({info.shape, info.shape, info.shape});
  return info;
}

}  // namespace nacelle::runtime
