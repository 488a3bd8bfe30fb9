// What TorchScript and Python may ask of an Engine.
#ifndef NACELLE_RUNTIME_INTERNAL_ENGINE_METHODS_H_
#define NACELLE_RUNTIME_INTERNAL_ENGINE_METHODS_H_

#include <torch/library.h>

namespace nacelle::runtime {

// Defines torch.classes.tensorrt.Engine in `library`, with its constructor, pickling and methods:
//
//   Engine(str[] record)
//   name() -> str                       abi_version() -> int            plan_release() -> str
//   device() -> str                     the record's device, for a person
//   input_names() -> str[]              output_names() -> str[]         profile_count() -> int
//   inputs(), outputs() -> (str, str, int[], int[][][])[]
//       name, dtype, shape with -1 for a dynamic dimension, and for inputs [min, opt, max] per optimization profile
//   layer_information() -> str          JSON of the engine inspector
//   why_not_ready() -> str              empty where the engine can run
//
// inputs, outputs, profile_count and layer_information need the engine set up and throw what keeps it from that;
// names come from the record where it has them.
void RegisterEngineClass(torch::Library& library);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_ENGINE_METHODS_H_
