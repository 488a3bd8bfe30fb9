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
#include "runtime/internal/call.h"
#include "runtime/internal/call_recorder.h"
#include "runtime/internal/check_inputs.h"
#include "runtime/internal/context_stream.h"
#include "runtime/internal/loaded_engine.h"
#include "runtime/internal/nvtx_range.h"
#include "runtime/timing.h"

// The way of a call: CallEngine, CallAdapted if a setting asks for it, CheckAndCall, LeaseAndRun (or one of its two
// variants, LeaseAndRunTimed and LeaseAndCapture), Context::Run.
namespace nacelle::runtime {
namespace {

using TensorPointers = c10::SmallVector<const at::Tensor*, 8>;
using Inputs = Call::Inputs;

// Acquires a context that was not used for a timed call; drops those that were.
template <typename Acquire>
ContextPool::Lease AcquireUntimed(const Acquire& acquire) {
  for (;;) {
    ContextPool::Lease context = acquire();
    if (!context->reports_layer_times()) [[likely]]
      return context;
  }
}

// A graph that is being captured keeps a context of its own for as long as the graph exists: each replay works on that
// context's memory.
c10::List<at::Tensor> LeaseAndCapture(const LoadedEngine& engine, ContextPool& contexts, Inputs inputs,
                                      const CallerStream& caller) {
  const device::RelaxedCapture relaxed;
  const auto fits = [&](Context& idle) { return idle.HasShapesOf(inputs) && idle.Finished(); };
  ContextPool::Lease context = AcquireUntimed([&] { return contexts.AcquireWhere(fits); });
  // A replay does not wait for work from before the capture.
  while (!context->Finished()) std::this_thread::yield();
  Call call(engine.facts(), inputs, caller, /*capturing=*/true, nullptr);
  c10::List<at::Tensor> outputs = context->Run(call);
  const auto gone = [kept = context.Keep()] { kept.Return(); };
  device::CallWhenGraphIsGone(caller.native(), gone);
  return outputs;
}

c10::List<at::Tensor> LeaseAndRunTimed(const LoadedEngine& engine, ContextPool& contexts, Inputs inputs,
                                       const CallerStream& caller, Timing& timing) {
  CallRecorder recorder;
  recorder.Begin("context");
  ContextPool::Lease context = contexts.Acquire(caller.native());
  context->ReportLayerTimes();
  Call call(engine.facts(), inputs, caller, /*capturing=*/false, &recorder);
  c10::List<at::Tensor> outputs = context->Run(call);
  recorder.SetLayers(context->TakeLayerTimes());
  context.Return(caller.native());
  recorder.Begin(nullptr);
  timing.Add(recorder.Take());
  return outputs;
}

c10::List<at::Tensor> LeaseAndRun(const LoadedEngine& engine, ContextPool& contexts, Inputs inputs,
                                  const CallerStream& caller, Timing* timing) {
  if (caller.Capturing()) return LeaseAndCapture(engine, contexts, inputs, caller);
  if (timing != nullptr) [[unlikely]]
    return LeaseAndRunTimed(engine, contexts, inputs, caller, *timing);
  ContextPool::Lease context = AcquireUntimed([&] { return contexts.Acquire(caller.native()); });
  Call call(engine.facts(), inputs, caller, /*capturing=*/false, nullptr);
  c10::List<at::Tensor> outputs = context->Run(call);
  context.Return(caller.native());
  return outputs;
}

// Returns the reason that one more context could not be made, for a message; empty if the setting forbids it.
std::string WhyNoMore(const AllKept& kept) {
  if (kept.failure == nullptr) return "";
  try {
    std::rethrow_exception(kept.failure);
  } catch (const std::exception& error) {
    return Cat("; another one could not be made: ", error.what());
  }
}

c10::List<at::Tensor> CheckAndCall(const LoadedEngine& engine, Inputs inputs, Timing* timing) {
  ContextPool& contexts = engine.contexts(CheckInputs(engine.facts(), inputs));
  const CallerStream caller(engine.facts().device);
  try {
    return LeaseAndRun(engine, contexts, inputs, caller, timing);
  } catch (const AllKept& kept) {
    throw ExecutionError(Cat("engine ", Quote(engine.facts().name), ": all ", kept.count,
                             " execution contexts that it can have belong to captured CUDA graphs; raise plan_copies "
                             "(or max_contexts), which torch_nacelle.configure sets, before the capture, or destroy "
                             "graphs that are not replayed any more",
                             WhyNoMore(kept)));
  }
}

// Marks the call on a time line and adapts its inputs, as far as settings ask for it.
c10::List<at::Tensor> CallAdapted(const LoadedEngine& engine, Inputs inputs, Timing* timing) {
  const EngineFacts& facts = engine.facts();
  const NvtxRange range(facts.settings.nvtx ? facts.range_name.c_str() : nullptr);
  const c10::SmallVector<at::Tensor, 8> adapted = AdaptInputs(facts, inputs);
  TensorPointers pointers;
  for (const at::Tensor& input : adapted) pointers.push_back(&input);
  return CheckAndCall(engine, pointers, timing);
}

c10::List<at::Tensor> CallEngine(Engine& engine, Inputs inputs) {
  const Engine::Loaded use = engine.loaded();
  const LoadedEngine& loaded = *use;
  const std::shared_ptr<Timing> timing = engine.timing();
  return loaded.facts().runs_plainly ? CheckAndCall(loaded, inputs, timing.get())
                                     : CallAdapted(loaded, inputs, timing.get());
}

}  // namespace

c10::List<at::Tensor> Execute(Engine& engine, c10::ArrayRef<at::Tensor> inputs) {
  TensorPointers pointers;
  for (const at::Tensor& input : inputs) pointers.push_back(&input);
  return CallEngine(engine, pointers);
}

c10::List<at::Tensor> ExecuteValues(c10::ArrayRef<c10::IValue> inputs, const c10::IValue& engine) {
  TensorPointers pointers;
  for (const c10::IValue& input : inputs) pointers.push_back(&input.toTensor());
  return CallEngine(*engine.toCustomClass<Engine>(), pointers);
}

}  // namespace nacelle::runtime
