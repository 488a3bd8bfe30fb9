// Shapes of outputs without a run.
#ifndef NACELLE_RUNTIME_INTERNAL_INFER_SHAPES_H_
#define NACELLE_RUNTIME_INTERNAL_INFER_SHAPES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "core/tensorrt/handles.h"
#include "runtime/tensor_info.h"

namespace nacelle::runtime {

// The shapes of `outputs` for inputs of the shapes `input_shapes`, which optimization profile `profile` allows; -1 in
// what follows from values. Asks a context without device memory. Inputs that are read on the host have the values of
// the profile's optimum. nullopt if the plan refuses. Throws ExecutionError if no context can be made.
std::optional<std::vector<std::vector<int64_t>>> InferShapes(const tensorrt::CudaEngine& plan, at::Device device,
                                                             const std::vector<TensorInfo>& inputs,
                                                             const std::vector<TensorInfo>& outputs, int profile,
                                                             const std::vector<std::vector<int64_t>>& input_shapes);

// For each of `outputs`: true if its shape follows from values, so that it is known only when the engine has run. Asks
// at the optimum of the first optimization profile, unless all outputs are of fixed shapes. An output of which the plan
// says nothing there counts as one that follows from shapes. Throws ExecutionError if no context can be made.
std::vector<bool> FindDataDependent(const tensorrt::CudaEngine& plan, at::Device device,
                                    const std::vector<TensorInfo>& inputs, const std::vector<TensorInfo>& outputs);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_INFER_SHAPES_H_
