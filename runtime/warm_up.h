// Makes a program ready before its first request: what a server calls before it says that it is ready.
//
//   torch::jit::Module module = torch::jit::load("program.ts");
//   WarmUp(module);
#ifndef NACELLE_RUNTIME_WARM_UP_H_
#define NACELLE_RUNTIME_WARM_UP_H_

#include "runtime/export.h"
#include "runtime/program.h"

namespace nacelle::runtime {

// Sets up each engine of the program, calls it with the smallest and the largest shapes of each optimization profile
// that its settings allow, and waits for the device. Inputs are zeros. If values of inputs decide about shapes, it is
// called once, with the values and shapes that the profile is fastest at; it is only set up if the plan does not tell
// the values, as with TensorRT 8.5. Other threads may call the program meanwhile.
// Throws the error of the set-up or of the call: such an engine cannot run here.
NACELLE_API void WarmUp(const EngineHolder& program);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_WARM_UP_H_
