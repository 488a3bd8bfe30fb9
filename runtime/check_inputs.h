// The checks of a call's inputs, before anything else is done with them.
#ifndef NACELLE_RUNTIME_CHECK_INPUTS_H_
#define NACELLE_RUNTIME_CHECK_INPUTS_H_

#include <ATen/core/Tensor.h>
#include <c10/util/ArrayRef.h>

#include "runtime/loaded_engine.h"

namespace nacelle::runtime {

// The optimization profile to run `inputs` with: the first one that allows their shapes. Throws InputError that names
// the engine, the tensor, and what was given and wanted, for a wrong number of inputs, an undefined tensor, another
// dtype, device or layout, another rank, and dimensions that no profile allows. Allocates nothing where all is well.
int CheckInputs(const LoadedEngine& engine, c10::ArrayRef<const at::Tensor*> inputs);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_CHECK_INPUTS_H_
