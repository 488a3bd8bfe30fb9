// Checks the inputs of a call before they are used.
#ifndef NACELLE_RUNTIME_INTERNAL_CHECK_INPUTS_H_
#define NACELLE_RUNTIME_INTERNAL_CHECK_INPUTS_H_

#include <ATen/core/Tensor.h>
#include <c10/util/ArrayRef.h>
#include <c10/util/SmallVector.h>

#include <cstddef>
#include <string>

#include "runtime/internal/engine_facts.h"

namespace nacelle::runtime {

// Names an input in a message: `input "x" (number 0) of engine "resnet"`.
std::string NameInput(const EngineFacts& engine, size_t index);

// Returns the index of the optimization profile group to run `inputs` with: of the groups that allow their shapes, the
// one with the nearest optimum. Throws InputError that names the engine, the tensor, and what was found and wanted: for
// a wrong number of inputs, an undefined tensor, another dtype, device, layout or rank, and dimensions that no
// optimization profile allows. Allocates no memory if the inputs are right.
size_t CheckInputs(const EngineFacts& engine, c10::ArrayRef<const at::Tensor*> inputs);

// Returns the inputs on the engine's device (if the setting move_inputs is on) and with its dtypes (convert_inputs),
// copied if they need it. Leaves tensors that no copy can mend to CheckInputs.
c10::SmallVector<at::Tensor, 8> AdaptInputs(const EngineFacts& engine, c10::ArrayRef<const at::Tensor*> inputs);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_CHECK_INPUTS_H_
