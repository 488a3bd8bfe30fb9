// Reads the description of an engine's inputs and outputs from a deserialized plan.
#ifndef NACELLE_RUNTIME_INTERNAL_READ_TENSOR_INFO_H_
#define NACELLE_RUNTIME_INTERNAL_READ_TENSOR_INFO_H_

#include <string>
#include <vector>

#include "core/tensorrt/handles.h"
#include "runtime/tensor_info.h"

namespace nacelle::runtime {

// Reads name, dtype, shape and optimization profiles of the I/O tensor `name`. Throws PlanError if torch has no such
// dtype.
TensorInfo ReadTensorInfo(const tensorrt::CudaEngine& engine, const char* name);

std::vector<std::string> NamesOf(const std::vector<TensorInfo>& tensors);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_READ_TENSOR_INFO_H_
