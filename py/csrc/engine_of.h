// The engine in a torch.ScriptObject of Python.
#ifndef NACELLE_PY_CSRC_ENGINE_OF_H_
#define NACELLE_PY_CSRC_ENGINE_OF_H_

#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/api/object.h>

#include "runtime/engine.h"

namespace nacelle::python {

// Returns the engine that `object` holds, which shares it. Throws c10::Error for an object of another class. Any
// thread.
inline c10::intrusive_ptr<runtime::Engine> EngineOf(const torch::jit::Object& object) {
  return c10::IValue(object._ivalue()).toCustomClass<runtime::Engine>();
}

}  // namespace nacelle::python

#endif  // NACELLE_PY_CSRC_ENGINE_OF_H_
