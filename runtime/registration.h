// Makes torch.classes.tensorrt.Engine and tensorrt::execute_engine known to torch.
#ifndef NACELLE_RUNTIME_REGISTRATION_H_
#define NACELLE_RUNTIME_REGISTRATION_H_

#include "runtime/export.h"

namespace nacelle::runtime {

// Registers the class and both operators, once per process; any thread may call it, and later calls return at once.
// It runs by itself when the library is loaded. Throws LibraryError, and registers nothing, where another library
// (Torch-TensorRT) holds the names already.
NACELLE_API void Register();

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_REGISTRATION_H_
