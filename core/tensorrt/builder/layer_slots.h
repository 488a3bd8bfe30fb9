// The slots of a network layer's functions in its virtual table.
//
// The tables in third_party/tensorrt/slots have no layers. These slots are the same in the headers of 8.5 to 10, and
// //tests/conformance checks that NVIDIA's Python bindings of 8.6, 10.0 and 10.15 call them. From 11 on, and in
// TensorRT-RTX, layers have no precision.
//
// Internal to core/tensorrt/builder. Constant data.
#ifndef NACELLE_CORE_TENSORRT_BUILDER_LAYER_SLOTS_H_
#define NACELLE_CORE_TENSORRT_BUILDER_LAYER_SLOTS_H_

namespace nacelle::tensorrt::layer {

// nvinfer1::apiv::VLayer.
inline constexpr int kName = 4;
inline constexpr int kNumInputs = 5;
inline constexpr int kNumOutputs = 7;
inline constexpr int kOutput = 8;
inline constexpr int kSetPrecision = 10;
inline constexpr int kSetOutputType = 14;

}  // namespace nacelle::tensorrt::layer

#endif  // NACELLE_CORE_TENSORRT_BUILDER_LAYER_SLOTS_H_
