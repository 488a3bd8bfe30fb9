// Runs engines, as the operator tensorrt::execute_engine does.
//
//   c10::List<at::Tensor> outputs = Execute(*engine, {image});
#ifndef NACELLE_RUNTIME_EXECUTE_H_
#define NACELLE_RUNTIME_EXECUTE_H_

#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <c10/util/ArrayRef.h>

#include "runtime/engine.h"
#include "runtime/export.h"

namespace nacelle::runtime {

// Runs `engine` on `inputs` and returns its outputs, new tensors on the same device. The inputs are tensors on the
// engine's device, of its dtypes, in its order; they are made contiguous if they are not. On the CPU the outputs are
// ready on return. On CUDA they are ready when the caller's current stream gets there. Any number of threads may call
// it at once, for one engine too. Throws InputError, ExecutionError, and the error of the engine's set-up.
NACELLE_API c10::List<at::Tensor> Execute(Engine& engine, c10::ArrayRef<at::Tensor> inputs);

// Does the same with the values on an interpreter's stack: a list of tensors and an Engine object.
c10::List<at::Tensor> ExecuteValues(c10::ArrayRef<c10::IValue> inputs, const c10::IValue& engine);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_EXECUTE_H_
