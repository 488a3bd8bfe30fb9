#include "runtime/tensor_info.h"

#include "core/tensorrt/data_type.h"
#include "core/text.h"

namespace nacelle::runtime {

std::string ShapeText(const int64_t* sizes, size_t rank) {
  std::string text = "[";
  for (size_t i = 0; i < rank; ++i) text += Cat(i == 0 ? "" : ", ", sizes[i]);
  return text + "]";
}

std::string DtypeName(at::ScalarType type) {
  if (const auto* info = tensorrt::FindTorchType(static_cast<int8_t>(type))) return info->name;
  if (type == at::ScalarType::Double) return "float64";
  if (type == at::ScalarType::Short) return "int16";
  return c10::toString(type);
}

std::string Describe(const TensorInfo& info) {
  std::string text = Cat(info.name, ": ", DtypeName(info.dtype), " ", ShapeText(info.shape));
  for (const ShapeRange& range : info.optimization_profiles) {
    if (range.min == range.max) continue;
    text += Cat(", from ", ShapeText(range.min), " to ", ShapeText(range.max));
  }
  return text;
}

}  // namespace nacelle::runtime
