// Outputs that share the memory of inputs.
#ifndef NACELLE_RUNTIME_INTERNAL_ALIASES_H_
#define NACELLE_RUNTIME_INTERNAL_ALIASES_H_

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "core/record/record.h"
#include "core/tensorrt/handles.h"
#include "runtime/tensor_info.h"

namespace nacelle::runtime {

// Sets `aliased_input` of the outputs and `written` of the inputs that share memory by the plan or by the record's
// aliased_io. Throws PlanError, naming output and input, if the record contradicts the plan or the
// two tensors can never share memory, and RecordError for a kind of alias that is not known. Shapes that are dynamic
// are compared at the call.
void ReadAliases(const tensorrt::CudaEngine& plan, const record::Record& record, at::Device device,
                 std::vector<TensorInfo>& inputs, std::vector<TensorInfo>& outputs);

// Returns the plan's aliases in the form of a record.
std::vector<record::AliasedIo> PlanAliases(const tensorrt::CudaEngine& plan, const std::vector<TensorInfo>& outputs);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_ALIASES_H_
