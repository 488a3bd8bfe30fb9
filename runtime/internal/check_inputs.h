// The checks of a call's inputs, before anything else is done with them.
#ifndef NACELLE_RUNTIME_INTERNAL_CHECK_INPUTS_H_
#define NACELLE_RUNTIME_INTERNAL_CHECK_INPUTS_H_

#include <ATen/core/Tensor.h>
#include <c10/util/ArrayRef.h>
#include <c10/util/SmallVector.h>

#include <cstddef>

#include "runtime/internal/loaded_engine.h"

namespace nacelle::runtime {

// The group of optimization profiles to run `inputs` with, by its number: of those that allow their shapes, the one
// whose optimum is nearest. Throws InputError that names the engine, the tensor, and what was given and wanted, for a
// wrong number of inputs, an undefined tensor, another dtype, device or layout, another rank, and dimensions that no
// profile allows. Allocates nothing where all is well.
size_t CheckInputs(const LoadedEngine& engine, c10::ArrayRef<const at::Tensor*> inputs);

// The inputs on the engine's device (where the setting move_inputs is on) and with its dtypes (convert_inputs), copied
// where they are not; what no copy can mend is left to CheckInputs.
c10::SmallVector<at::Tensor, 8> AdaptInputs(const LoadedEngine& engine, c10::ArrayRef<const at::Tensor*> inputs);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_CHECK_INPUTS_H_
