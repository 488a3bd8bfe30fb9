#include "runtime/execute.h"

#include <c10/util/SmallVector.h>

#include "runtime/check_inputs.h"
#include "runtime/context_pool.h"
#include "runtime/loaded_engine.h"

namespace nacelle::runtime {
namespace {

using TensorPointers = c10::SmallVector<const at::Tensor*, 8>;

c10::List<at::Tensor> Run(LoadedEngine& engine, c10::ArrayRef<const at::Tensor*> inputs) {
  const int profile = CheckInputs(engine, inputs);
  ContextPool::Lease context = engine.pool().Acquire(profile);
  c10::List<at::Tensor> outputs = context->Run(inputs);
  context.Return();
  return outputs;
}

}  // namespace

c10::List<at::Tensor> Execute(Engine& engine, c10::ArrayRef<at::Tensor> inputs) {
  TensorPointers pointers;
  for (const at::Tensor& input : inputs) pointers.push_back(&input);
  return Run(engine.loaded(), pointers);
}

c10::List<at::Tensor> ExecuteValues(c10::ArrayRef<c10::IValue> inputs, const c10::IValue& engine) {
  TensorPointers pointers;
  for (const c10::IValue& input : inputs) pointers.push_back(&input.toTensor());
  return Run(engine.toCustomClass<Engine>()->loaded(), pointers);
}

}  // namespace nacelle::runtime
