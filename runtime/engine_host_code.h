// Whether plans may bring code for the host.
#ifndef NACELLE_RUNTIME_ENGINE_HOST_CODE_H_
#define NACELLE_RUNTIME_ENGINE_HOST_CODE_H_

#include "runtime/export.h"

namespace nacelle::runtime {

// Whether plans may bring code for the host, as version-compatible plans with a runtime inside do. TensorRT then runs
// that code, so plans have to be trusted as programs are. False at the start; any thread. Holds for engines that are
// set up later.
NACELLE_API void AllowEngineHostCode(bool allowed);
NACELLE_API bool EngineHostCodeAllowed();

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_ENGINE_HOST_CODE_H_
