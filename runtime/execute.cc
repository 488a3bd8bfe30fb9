#include "runtime/execute.h"

#include <c10/util/SmallVector.h>

#include <exception>
#include <memory>
#include <string>
#include <thread>

#include "core/device/cuda_driver.h"
#include "core/device/cuda_graph.h"
#include "core/error.h"
#include "core/text.h"
#include "runtime/internal/call_recorder.h"
#include "runtime/internal/check_inputs.h"
#include "runtime/internal/context_stream.h"
#include "runtime/internal/loaded_engine.h"
#include "runtime/internal/nvtx_range.h"
#include "runtime/profile.h"

namespace nacelle::runtime {
namespace {

using TensorPointers = c10::SmallVector<const at::Tensor*, 8>;
using TensorPointersRef = c10::ArrayRef<const at::Tensor*>;

// A context that no profile has used; those that one has are dropped.
template <typename Acquire>
ContextPool::Lease Unprofiled(const Acquire& acquire) {
  for (;;) {
    ContextPool::Lease context = acquire();
    if (!context->profiled()) [[likely]]
      return context;
  }
}

// A graph that is being captured gets a context for itself, as long as there is the graph: it works on that context's
// memory whenever it is replayed.
c10::List<at::Tensor> RunInCapture(ContextPool& contexts, TensorPointersRef inputs, const CallerStream& caller) {
  const device::RelaxedCapture relaxed;
  const auto fits = [&](Context& idle) { return idle.HasShapesOf(inputs) && idle.Finished(); };
  ContextPool::Lease context = Unprofiled([&] { return contexts.AcquireWhere(fits); });
  // A replay waits for nothing that came before the capture.
  while (!context->Finished()) std::this_thread::yield();
  c10::List<at::Tensor> outputs = context->Run(inputs, caller, true);
  const auto gone = [kept = context.Keep()] { kept.Return(); };
  device::CallWhenGraphIsGone(caller.native(), gone);
  return outputs;
}

c10::List<at::Tensor> RunProfiled(ContextPool& contexts, TensorPointersRef inputs, const CallerStream& caller,
                                  Profile& profile) {
  CallRecorder recorder;
  recorder.Begin("context");
  ContextPool::Lease context = contexts.Acquire(caller.native());
  c10::List<at::Tensor> outputs = context->RunRecorded(inputs, caller, recorder);
  context.Return(caller.native());
  recorder.Begin(nullptr);
  profile.Add(recorder.Take());
  return outputs;
}

c10::List<at::Tensor> RunInContext(ContextPool& contexts, TensorPointersRef inputs, const CallerStream& caller,
                                   Profile* profile) {
  if (caller.Capturing()) return RunInCapture(contexts, inputs, caller);
  if (profile != nullptr) [[unlikely]]
    return RunProfiled(contexts, inputs, caller, *profile);
  ContextPool::Lease context = Unprofiled([&] { return contexts.Acquire(caller.native()); });
  c10::List<at::Tensor> outputs = context->Run(inputs, caller, false);
  context.Return(caller.native());
  return outputs;
}

// The reason that one more context could not be made, for a message; empty if the setting forbids it.
std::string WhyNoMore(const AllKept& kept) {
  if (kept.failure == nullptr) return "";
  try {
    std::rethrow_exception(kept.failure);
  } catch (const std::exception& error) {
    return Cat("; another one could not be made: ", error.what());
  }
}

c10::List<at::Tensor> RunChecked(const LoadedEngine& engine, TensorPointersRef inputs, Profile* profile) {
  ContextPool& contexts = *engine.groups()[CheckInputs(engine, inputs)].contexts;
  const CallerStream caller(engine.device());
  try {
    return RunInContext(contexts, inputs, caller, profile);
  } catch (const AllKept& kept) {
    throw ExecutionError(Cat("engine ", Quote(engine.name()), ": all ", kept.count,
                             " execution contexts that it can have belong to captured CUDA graphs; raise plan_copies "
                             "(or max_contexts), which torch_nacelle.configure sets, before the capture, or destroy "
                             "graphs that are not replayed any more",
                             WhyNoMore(kept)));
  }
}

// What settings ask for beside the run itself.
c10::List<at::Tensor> RunAsSet(const LoadedEngine& engine, TensorPointersRef inputs, Profile* profile) {
  const NvtxRange range(engine.settings().nvtx ? engine.range_name().c_str() : nullptr);
  const c10::SmallVector<at::Tensor, 8> adapted = AdaptInputs(engine, inputs);
  TensorPointers pointers;
  for (const at::Tensor& input : adapted) pointers.push_back(&input);
  return RunChecked(engine, pointers, profile);
}

c10::List<at::Tensor> Run(Engine& engine, TensorPointersRef inputs) {
  const Engine::Loaded use = engine.loaded();
  const LoadedEngine& loaded = *use;
  const std::shared_ptr<Profile> profile = engine.profile();
  return loaded.runs_plainly() ? RunChecked(loaded, inputs, profile.get()) : RunAsSet(loaded, inputs, profile.get());
}

}  // namespace

c10::List<at::Tensor> Execute(Engine& engine, c10::ArrayRef<at::Tensor> inputs) {
  TensorPointers pointers;
  for (const at::Tensor& input : inputs) pointers.push_back(&input);
  return Run(engine, pointers);
}

c10::List<at::Tensor> ExecuteValues(c10::ArrayRef<c10::IValue> inputs, const c10::IValue& engine) {
  TensorPointers pointers;
  for (const c10::IValue& input : inputs) pointers.push_back(&input.toTensor());
  return Run(*engine.toCustomClass<Engine>(), pointers);
}

}  // namespace nacelle::runtime
