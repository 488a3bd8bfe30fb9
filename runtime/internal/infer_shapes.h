// Computes the shapes of outputs without running the engine.
#ifndef NACELLE_RUNTIME_INTERNAL_INFER_SHAPES_H_
#define NACELLE_RUNTIME_INTERNAL_INFER_SHAPES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/tensorrt/handles.h"
#include "runtime/export.h"
#include "runtime/tensor_info.h"

namespace nacelle::runtime {

// Returns the shapes of `outputs` for inputs of the shapes `input_shapes`, which optimization profile `profile` allows;
// a dimension that depends on values is -1. Asks a context without device memory. Inputs that are read on the host have
// the values of the profile's optimum. nullopt if the plan refuses. Throws ExecutionError if no context can be made.
std::optional<std::vector<std::vector<int64_t>>> InferShapes(const tensorrt::CudaEngine& plan, at::Device device,
                                                             const std::vector<TensorInfo>& inputs,
                                                             const std::vector<TensorInfo>& outputs, int profile,
                                                             const std::vector<std::vector<int64_t>>& input_shapes);

// Where output shapes are asked for: the shapes of all inputs, and the values of those that are read on the host, in
// their order. Inputs without values have those of the profile's optimum.
struct ShapePoint {
  std::vector<std::vector<int64_t>> input_shapes;
  std::vector<std::vector<int64_t>> host_values;
};

// The answers of a plan at many points.
struct InferredShapes {
  // For each point the shapes of the outputs, as InferShapes returns them; nullopt if the plan refuses the point.
  std::vector<std::optional<std::vector<std::vector<int64_t>>>> shapes;
  // For each output the most bytes that it can have, with the profile and the first point that was not refused; -1 if
  // the library does not know.
  std::vector<int64_t> max_bytes;
};

// Returns the answers at points that optimization profile `profile` allows. Asks one context without device memory.
// Throws ExecutionError if no context can be made for the profile.
NACELLE_API InferredShapes InferShapesAtPoints(const tensorrt::CudaEngine& plan, at::Device device,
                                               const std::vector<TensorInfo>& inputs,
                                               const std::vector<TensorInfo>& outputs, int profile,
                                               std::span<const ShapePoint> points);

// The values that an optimization profile allows for an input that is read on the host; empty if it gives none.
struct HostValueRange {
  std::vector<int64_t> min;
  std::vector<int64_t> opt;
  std::vector<int64_t> max;
};
NACELLE_API HostValueRange HostValueRangeOf(const tensorrt::CudaEngine& plan, const TensorInfo& input, int profile);

// Returns for each of `outputs` true if its shape depends on values, so that it is known only when the engine has run.
// Asks at the optimum of the first optimization profile, unless all outputs have fixed shapes. If the plan refuses
// there, no output counts as dependent on values. Throws ExecutionError if no context can be made.
std::vector<bool> FindDataDependent(const tensorrt::CudaEngine& plan, at::Device device,
                                    const std::vector<TensorInfo>& inputs, const std::vector<TensorInfo>& outputs);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_INFER_SHAPES_H_
