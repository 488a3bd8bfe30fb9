// The class torch.classes.tensorrt.Engine and its methods for TorchScript and Python.
#ifndef NACELLE_RUNTIME_INTERNAL_ENGINE_METHODS_H_
#define NACELLE_RUNTIME_INTERNAL_ENGINE_METHODS_H_

#include <torch/library.h>

#include "runtime/export.h"

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
//   __obj_flatten__(), tracing_mode()   for torch while it traces
//
// inputs, outputs, optimization_profile_count and layer_information need the engine set up, and throw the reason if it
// cannot be. Names come from the record if it has them.
void RegisterEngineClass(torch::Library& library);

// Sets the function that tells if torch.export runs now. It is asked while torch traces, on any thread. torch.export
// then gets the engine itself; torch.compile gets the fake class. (The graph of torch.export's strict mode keeps what
// it was given, and a fake object in it could be neither run nor saved; the inductor wants a fake object.)
NACELLE_API void SetExports(bool (*exports)());

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_ENGINE_METHODS_H_
