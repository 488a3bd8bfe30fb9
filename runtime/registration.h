// Registers torch.classes.tensorrt.Engine and tensorrt::execute_engine with torch.
//
//   Register();  // a clear error before the first program is loaded
#ifndef NACELLE_RUNTIME_REGISTRATION_H_
#define NACELLE_RUNTIME_REGISTRATION_H_

#include "runtime/export.h"

namespace nacelle::runtime {

// Registers the class and both operators, once per process; any thread may call it, and later calls return at once.
// Loading the library calls it. Throws LibraryError, and registers nothing, if another library (Torch-TensorRT) holds
// the names already.
NACELLE_API void Register();

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_REGISTRATION_H_
