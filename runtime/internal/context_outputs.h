// The outputs of an execution context: their shapes, and memory for them in each call.
#ifndef NACELLE_RUNTIME_INTERNAL_CONTEXT_OUTPUTS_H_
#define NACELLE_RUNTIME_INTERNAL_CONTEXT_OUTPUTS_H_

#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>
#include <c10/core/Storage.h>
#include <c10/core/Stream.h>
#include <c10/util/ArrayRef.h>
#include <c10/util/SmallVector.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/internal/output_memory.h"
#include "runtime/tensor_info.h"

namespace nacelle::runtime {

class LoadedEngine;

using Sizes = c10::SmallVector<int64_t, 5>;
using Addresses = c10::SmallVector<void*, 8>;

// For one thread at a time.
class ContextOutputs {
 public:
  struct Output {
    const TensorInfo& info;
    EmptyTensors tensors;
    Sizes sizes;                          // for the input shapes set last
    size_t offset = 0;                    // in the block of a call's outputs
    void* address = nullptr;              // as set last
    std::unique_ptr<TorchMemory> memory;  // where the shape follows from values
  };

  // The engine outlives it.
  explicit ContextOutputs(const LoadedEngine& engine);

  std::vector<Output>& all() { return outputs_; }
  const std::vector<Output>& all() const { return outputs_; }

  // Whether any is written on the host.
  bool on_host() const { return on_host_; }

  // Whether any has memory of the size that TensorRT asks for when the engine runs.
  bool sized_by_values() const { return sized_by_values_; }

  // From now on an output is one of those; sets its `memory`.
  void SizeByValues(Output& output);

  // The sizes were set: lays out the block of outputs, where the engine's setting pack_outputs asks for one.
  void SizesChanged();

  // Adds the tensors of a call to `made`; undefined ones where TensorRT is to ask for memory. Returns their addresses.
  Addresses Make(c10::ArrayRef<const at::Tensor*> inputs, c10::List<at::Tensor>& made);

  // Memory that TensorRT asks for in this call is written on `side`, not on the current stream.
  void WriteOn(const c10::Stream& side);

  // Puts the tensors that TensorRT asked memory for into `made`. `user`: the stream that reads them, where that is not
  // the one that wrote. Returns the output for which no usable shape came, if there is one.
  const Output* Take(const std::optional<c10::Stream>& user, c10::List<at::Tensor>& made);

 private:
  at::Tensor MakeOne(const Output& output, c10::ArrayRef<const at::Tensor*> inputs, c10::Storage& block) const;

  const LoadedEngine& engine_;
  std::vector<Output> outputs_;
  bool on_host_ = false;
  bool sized_by_values_ = false;
  size_t block_size_ = 0;  // bytes of the outputs that share a block; 0: none do
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_CONTEXT_OUTPUTS_H_
