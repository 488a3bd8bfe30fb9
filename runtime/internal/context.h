// An execution context and the state that it keeps from call to call.
#ifndef NACELLE_RUNTIME_INTERNAL_CONTEXT_H_
#define NACELLE_RUNTIME_INTERNAL_CONTEXT_H_

#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>
#include <c10/util/ArrayRef.h>
#include <c10/util/SmallVector.h>

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "core/tensorrt/callbacks.h"
#include "core/tensorrt/handles.h"
#include "runtime/internal/call.h"
#include "runtime/internal/context_outputs.h"
#include "runtime/internal/context_stream.h"
#include "runtime/internal/engine_facts.h"
#include "runtime/internal/scratch_memory.h"
#include "runtime/timing.h"

namespace nacelle::runtime {

// Used by one thread at a time; contexts of one engine may run at once. Remembers shapes, values and addresses from
// call to call, so that only changes are passed to TensorRT. State of a single call is in its Call.
class Context {
 public:
  using Inputs = Call::Inputs;

  // Creates a context of `plan` (one of `engine`'s) for an optimization profile. Throws ExecutionError with TensorRT's
  // reason if it cannot be created. `engine` outlives the context.
  Context(const EngineFacts& engine, const tensorrt::CudaEngine& plan, int optimization_profile);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // Runs `call`, whose inputs CheckInputs allowed for this context's optimization profile. If the call captures a CUDA
  // graph, the context belongs to that graph from then on and must not be used again before the graph is gone. Throws
  // ExecutionError with TensorRT's own messages; the context must not be used again at all then. See Execute for when
  // the outputs are ready.
  c10::List<at::Tensor> Run(Call& call);

  // Makes TensorRT report the time of each layer. Its calls then wait for the device. A context that reports them can
  // only be used for timed calls: TensorRT 8.5 and 11 crash at a run after their profiler was taken from them.
  void ReportLayerTimes();

  // True if ReportLayerTimes was called.
  bool reports_layer_times() const { return profiler_.has_value(); }

  // Returns the layer times that were reported since the last call of this method.
  std::vector<CallTimes::Layer> TakeLayerTimes() { return std::exchange(layer_times_.layers, {}); }

  // True if all its work is done.
  bool Finished() const { return on_cpu_ || stream_.Finished(); }

  // True if the shapes set last are those of `inputs`.
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

  // Shapes of all inputs, and the output shapes that TensorRT computed from them.
  struct KnownShapes {
    c10::SmallVector<Sizes, 2> inputs;
    c10::SmallVector<Sizes, 2> outputs;
  };

  void ChooseOptimizationProfile(int profile);
  Addresses PrepareInputs(Call& call, Tensors& copies);
  const void* ReadOnHost(Call& call, Input& input, const at::Tensor& tensor);
  void SetShapes(Call& call);
  void ReadShapes(Call& call);
  bool RecallShapes();
  void CheckSharedShapes() const;
  void ReadShape(Call& call, Output& output);
  void Bind(Call& call, const Addresses& inputs, const Addresses& outputs);
  void Enqueue(Call& call, const ContextStream::Section* section);
  bool EnqueueWithSharedScratch(Call& call, const ContextStream::Section& section);

  // Keeps the layer times that TensorRT reports until they are taken.
  struct LayerTimesBuffer final : tensorrt::LayerTimes {
    void Report(const char* layer, float milliseconds) override { layers.push_back({layer, milliseconds}); }
    std::vector<CallTimes::Layer> layers;
  };

  const EngineFacts& engine_;
  const bool on_cpu_;
  const bool shared_scratch_;
  const int64_t scratch_size_;
  LayerTimesBuffer layer_times_;
  std::optional<tensorrt::Profiler> profiler_;  // outlives the context
  tensorrt::ExecutionContext context_;
  ContextStream stream_;
  std::vector<Input> inputs_;
  ContextOutputs outputs_;
  bool shapes_set_ = false;
  std::vector<KnownShapes> known_shapes_;   // the most recent ones, so that repeated shapes are not computed again
  size_t next_known_ = 0;                   // the entry to replace next
  bool host_inputs_ = false;                // true if any input is read on the host
  SharedScratch* shared_buffer_ = nullptr;  // belongs to the stream of the last call
  std::optional<c10::Stream> scratch_stream_;
  void* scratch_ = nullptr;   // as set last
  at::Tensor graph_scratch_;  // belongs to the CUDA graph that has, or last had, the context
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_CONTEXT_H_
