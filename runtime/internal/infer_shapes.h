// Computes the shapes of outputs without running the engine.
#ifndef NACELLE_RUNTIME_INTERNAL_INFER_SHAPES_H_
#define NACELLE_RUNTIME_INTERNAL_INFER_SHAPES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "core/tensorrt/handles.h"
#include "runtime/tensor_info.h"

namespace nacelle::runtime {

// Returns the shapes of `outputs` for inputs of the shapes `input_shapes`, which optimization profile `profile` allows;
// a dimension that depends on values is -1. Asks a context without device memory. Inputs that are read on the host have
// the values of the profile's optimum. nullopt if the plan refuses. Throws ExecutionError if no context can be made.
std::optional<std::vector<std::vector<int64_t>>> InferShapes(const tensorrt::CudaEngine& plan, at::Device device,
                                                             const std::vector<TensorInfo>& inputs,
                                                             const std::vector<TensorInfo>& outputs, int profile,
                                                             const std::vector<std::vector<int64_t>>& input_shapes);

// Returns for each of `outputs` true if its shape depends on values, so that it is known only when the engine has run.
// Asks at the optimum of the first optimization profile, unless all outputs have fixed shapes. If the plan refuses
// there, no output counts as dependent on values. Throws ExecutionError if no context can be made.
std::vector<bool> FindDataDependent(const tensorrt::CudaEngine& plan, at::Device device,
                                    const std::vector<TensorInfo>& inputs, const std::vector<TensorInfo>& outputs);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_INFER_SHAPES_H_
