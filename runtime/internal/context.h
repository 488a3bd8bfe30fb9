// An execution context with all that a call of it needs at hand.
#ifndef NACELLE_RUNTIME_INTERNAL_CONTEXT_H_
#define NACELLE_RUNTIME_INTERNAL_CONTEXT_H_

#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>
#include <c10/util/ArrayRef.h>
#include <c10/util/SmallVector.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "core/tensorrt/callbacks.h"
#include "core/tensorrt/handles.h"
#include "core/tensorrt/messages.h"
#include "runtime/internal/call_recorder.h"
#include "runtime/internal/context_outputs.h"
#include "runtime/internal/context_stream.h"
#include "runtime/internal/nvtx_range.h"
#include "runtime/internal/scratch_memory.h"

namespace nacelle::runtime {

class LoadedEngine;

// For one thread at a time; contexts of one engine may run at once. Remembers shapes, values and addresses from call to
// call, so that only what changed is set anew.
class Context {
 public:
  using Inputs = c10::ArrayRef<const at::Tensor*>;

  // Of `plan`, which is one of the engine's, for an optimization profile. Throws ExecutionError with TensorRT's reason
  // where no context can be made. The engine outlives the context.
  Context(const LoadedEngine& engine, const tensorrt::CudaEngine& plan, int profile);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // Runs on inputs that CheckInputs allowed for this context's profile. `capturing`: a graph is being captured on the
  // caller's stream; the context then belongs to that graph and must not be used again before the graph is gone. Throws
  // ExecutionError with TensorRT's own messages; the context is not to be used again at all then. See Execute for when
  // the outputs are ready.
  c10::List<at::Tensor> Run(Inputs inputs, const CallerStream& caller, bool capturing);

  // The same, with `recorder` told what takes how long. TensorRT then waits for the device within the call. Afterwards
  // the context is for such calls only: TensorRT 8.5 and 11 crash at a run after their profiler was taken from them.
  c10::List<at::Tensor> RunRecorded(Inputs inputs, const CallerStream& caller, CallRecorder& recorder);

  // Whether RunRecorded was called.
  bool profiled() const { return profiler_.has_value(); }

  // Whether all its work is done.
  bool Finished() const { return on_cpu_ || stream_.Finished(); }

  // Whether the shapes set last are those of `inputs`.
  bool HasShapesOf(Inputs inputs) const;

 private:
  using Tensors = c10::SmallVector<at::Tensor, 4>;
  using Output = ContextOutputs::Output;

  struct Input {
    const char* name;
    Sizes sizes;                     // as set last
    const void* address = nullptr;   // as set last
    std::vector<std::byte> on_host;  // the values set last, of an input that TensorRT reads on the host
  };

  // Shapes of all inputs and the output shapes that TensorRT computed from them.
  struct KnownShapes {
    c10::SmallVector<Sizes, 2> inputs;
    c10::SmallVector<Sizes, 2> outputs;
  };

  void ChooseProfile(int profile);
  void BeginPhase(const char* name) {
    if (recorder_ != nullptr || nvtx_) [[unlikely]]
      TellPhase(name);
  }
  void TellPhase(const char* name);
  Addresses PrepareInputs(Inputs inputs, Tensors& kept);
  const void* ReadOnHost(Input& input, const at::Tensor& tensor);
  void SetShapes(Inputs inputs);
  void ReadShapes();
  bool RecallShapes();
  void CheckSharedShapes() const;
  void ReadShape(Output& output);
  void Bind(const Addresses& inputs, const Addresses& outputs);
  void Enqueue(const ContextStream::Section* section, bool capturing);
  bool EnqueueWithScratch(const ContextStream::Section& section, bool capturing);
  [[noreturn]] void Fail(const std::string& what) const;

  // Hands layer times to the recorder of the call, where there is one.
  struct ToRecorder final : tensorrt::LayerTimes {
    void Report(const char* layer, float milliseconds) override {
      if (target != nullptr) target->Report(layer, milliseconds);
    }
    CallRecorder* target = nullptr;
  };

  const LoadedEngine& engine_;
  const bool on_cpu_;
  const bool shared_scratch_;
  const int64_t scratch_size_;
  ToRecorder layer_times_;
  std::optional<tensorrt::Profiler> profiler_;  // outlives the context
  tensorrt::ExecutionContext context_;
  ContextStream stream_;
  const tensorrt::MessageScope* messages_ = nullptr;  // of the call that is under way
  const bool nvtx_;
  CallRecorder* recorder_ = nullptr;  // of the call that is under way, where it is profiled
  NvtxRange* phase_ = nullptr;        // of the same, where it is marked
  std::vector<Input> inputs_;
  ContextOutputs outputs_;
  bool shapes_set_ = false;
  std::vector<KnownShapes> known_shapes_;   // the last few, so that shapes that come again are not computed again
  size_t next_known_ = 0;                   // the one to forget next
  bool host_inputs_ = false;                // whether any input is read on the host
  SharedScratch* shared_buffer_ = nullptr;  // of the stream of the last call
  std::optional<c10::Stream> scratch_stream_;
  void* scratch_ = nullptr;   // as set last
  at::Tensor graph_scratch_;  // of the graph that the context belongs to, or belonged to last
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_CONTEXT_H_
