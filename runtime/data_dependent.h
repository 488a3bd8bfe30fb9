// Outputs whose shape follows from values.
#ifndef NACELLE_RUNTIME_DATA_DEPENDENT_H_
#define NACELLE_RUNTIME_DATA_DEPENDENT_H_

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/tensorrt/handles.h"
#include "runtime/tensor_info.h"

namespace nacelle::runtime {

// For each of `outputs`: true if its shape is known only when the engine has run. Asks a context without device memory
// at the optimum of the first optimization profile, unless all outputs are of fixed shapes. An output of which the plan
// says nothing there counts as one that follows from shapes. Throws ExecutionError if no context can be made.
std::vector<bool> FindDataDependent(const tensorrt::CudaEngine& plan, at::Device device,
                                    const std::vector<TensorInfo>& inputs, const std::vector<TensorInfo>& outputs);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_DATA_DEPENDENT_H_
