#include "core/tensorrt/builder/layer_precision.h"

#include <fnmatch.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/error.h"
#include "core/tensorrt/builder/layer_slots.h"
#include "core/tensorrt/library_object.h"
#include "core/text.h"

namespace nacelle::tensorrt {
namespace {

constexpr size_t kNamesInErrors = 8;

// A layer that computes in floating point. The network owns it.
struct Layer {
  void* implementation;
  std::string name;
  int32_t outputs;
};

bool IsFloat(void* layer, int32_t output, const SlotTable& table) {
  void* const tensor = CallSlot<void*, int32_t>(layer, layer::kOutput, output);
  if (tensor == nullptr) return false;
  const auto type = CallSlot<DataType>(ImplementationOf(tensor), table.slot(Method::kTensor_getType));
  return type == DataType::kFLOAT || type == DataType::kHALF || type == DataType::kBF16;
}

bool ComputesInFloat(void* layer, int32_t outputs, const SlotTable& table) {
  if (CallSlot<int32_t>(layer, layer::kNumInputs) == 0) return false;  // a constant
  for (int32_t i = 0; i < outputs; ++i) {
    if (!IsFloat(layer, i, table)) return false;
  }
  return outputs > 0;
}

std::vector<Layer> LayersOf(void* network, const SlotTable& table) {
  std::vector<Layer> layers;
  const auto count = CallSlot<int32_t>(network, table.slot(Method::kNetworkDefinition_getNbLayers));
  for (int32_t i = 0; i < count; ++i) {
    void* const object = CallSlot<void*, int32_t>(network, table.slot(Method::kNetworkDefinition_getLayer), i);
    if (object == nullptr) continue;
    void* const layer = ImplementationOf(object);
    const auto outputs = CallSlot<int32_t>(layer, layer::kNumOutputs);
    const auto* const name = CallSlot<const char*>(layer, layer::kName);
    if (name != nullptr && ComputesInFloat(layer, outputs, table)) layers.push_back({layer, name, outputs});
  }
  return layers;
}

bool Matches(const std::string& pattern, const Layer& layer) {
  // Some of TensorRT's own names have brackets, which a pattern reads as a set of characters.
  return pattern == layer.name || fnmatch(pattern.c_str(), layer.name.c_str(), FNM_NOESCAPE) == 0;
}

[[noreturn]] void RefuseUnmatched(const std::string& pattern, const std::vector<Layer>& layers) {
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min(layers.size(), kNamesInErrors); ++i) names.push_back(Quote(layers[i].name));
  throw InputError(Cat("option fp32_layers has ", Quote(pattern), ", and none of the ", layers.size(),
                       " layers that compute in floating point has such a name; layers have the names of the ONNX "
                       "model's nodes: ",
                       Join(names, ", "), layers.size() > names.size() ? ", …" : ""));
}

}  // namespace

void KeepInFloat32(void* network, const SlotTable& table, const std::vector<std::string>& patterns) {
  const std::vector<Layer> layers = LayersOf(network, table);
  for (const std::string& pattern : patterns) {
    bool matched = false;
    for (const Layer& layer : layers) {
      if (!Matches(pattern, layer)) continue;
      matched = true;
      CallSlot<void>(layer.implementation, layer::kSetPrecision, DataType::kFLOAT);
      for (int32_t i = 0; i < layer.outputs; ++i) {
        CallSlot<void>(layer.implementation, layer::kSetOutputType, i, DataType::kFLOAT);
      }
    }
    if (!matched) RefuseUnmatched(pattern, layers);
  }
}

}  // namespace nacelle::tensorrt
