// Allows or forbids plans that contain code for the host.
//
//   AllowEngineHostCode(true);
//   torch::jit::Module module = torch::jit::load("trusted_program.ts");
#ifndef NACELLE_RUNTIME_ENGINE_HOST_CODE_H_
#define NACELLE_RUNTIME_ENGINE_HOST_CODE_H_

#include "runtime/export.h"

namespace nacelle::runtime {

// Allows plans with code for the host, as version-compatible plans with a runtime inside have, or forbids them, as at
// the start. TensorRT runs that code, so such plans have to be trusted as programs are. Applies to engines that are set
// up later. Any thread.
NACELLE_API void AllowEngineHostCode(bool allowed);
NACELLE_API bool EngineHostCodeAllowed();

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_ENGINE_HOST_CODE_H_
