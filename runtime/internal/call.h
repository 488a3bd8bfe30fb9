// One call of an engine, on the stack of the thread that makes it.
#ifndef NACELLE_RUNTIME_INTERNAL_CALL_H_
#define NACELLE_RUNTIME_INTERNAL_CALL_H_

#include <ATen/core/Tensor.h>
#include <c10/util/ArrayRef.h>

#include <string>

#include "core/tensorrt/messages.h"
#include "runtime/internal/call_recorder.h"
#include "runtime/internal/context_stream.h"
#include "runtime/internal/engine_facts.h"
#include "runtime/internal/nvtx_range.h"

namespace nacelle::runtime {

// The inputs of a call and the destinations of its messages and times. Made once the call has its execution context;
// everything that it refers to outlives it. Collects TensorRT's messages on this thread for as long as it lives.
class Call {
 public:
  using Inputs = c10::ArrayRef<const at::Tensor*>;

  // `capturing`: true if a CUDA graph is being captured on the caller's stream. `recorder`: receives the times of the
  // call's phases; null if the call is not timed.
  Call(const EngineFacts& engine, Inputs inputs, const CallerStream& caller, bool capturing, CallRecorder* recorder)
      : engine_(engine),
        inputs_(inputs),
        caller_(caller),
        recorder_(recorder),
        capturing_(capturing),
        shows_phases_(recorder != nullptr || engine.settings.nvtx),
        phase_(nullptr) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  Inputs inputs() const { return inputs_; }
  const CallerStream& caller() const { return caller_; }
  bool capturing() const { return capturing_; }

  // Ends the phase before and begins another, for the recorder and for NVTX.
  void BeginPhase(const char* name) {
    if (shows_phases_) [[unlikely]]
      ShowPhase(name);
  }

  // Throws ExecutionError with the engine's name, the problem and TensorRT's messages.
  [[noreturn]] void Fail(const std::string& problem) const;

 private:
  void ShowPhase(const char* name);

  const EngineFacts& engine_;
  const Inputs inputs_;
  const CallerStream& caller_;
  CallRecorder* const recorder_;
  const bool capturing_;
  const bool shows_phases_;
  NvtxRange phase_;
  const tensorrt::MessageScope messages_;
};

// Throws ExecutionError with the engine's name, the problem and the messages that TensorRT logged.
[[noreturn]] void ThrowExecutionError(const EngineFacts& engine, const std::string& problem,
                                      const tensorrt::MessageScope& messages);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_CALL_H_
