// The class torch.classes.tensorrt.Engine and its methods for TorchScript and Python.
#ifndef NACELLE_RUNTIME_INTERNAL_ENGINE_METHODS_H_
#define NACELLE_RUNTIME_INTERNAL_ENGINE_METHODS_H_

#include <torch/library.h>

namespace nacelle::runtime {

// Defines torch.classes.tensorrt.Engine in `library`, with its constructor, pickling and methods:
//
//   Engine(str[] record)
//   name() -> str                       abi_version() -> int            plan_release() -> str
//   device() -> str                     the record's device, described in words
//   input_names() -> str[]              output_names() -> str[]         optimization_profile_count() -> int
//   inputs(), outputs() -> (str, str, int[], int[][][])[]
//       name, dtype, shape with -1 for a dynamic dimension, and for inputs [min, opt, max] per optimization profile
//   layer_information() -> str          JSON of the engine inspector
//   why_not_ready() -> str              empty if the engine can run
//
// inputs, outputs, optimization_profile_count and layer_information need the engine set up, and throw the reason if it
// cannot be. Names come from the record if it has them.
void RegisterEngineClass(torch::Library& library);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_ENGINE_METHODS_H_
