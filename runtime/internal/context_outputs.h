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

#include "runtime/internal/engine_facts.h"
#include "runtime/internal/output_memory.h"
#include "runtime/tensor_info.h"

namespace nacelle::runtime {

using Sizes = c10::SmallVector<int64_t, 5>;
using Addresses = c10::SmallVector<void*, 8>;

// Used by one thread at a time.
class ContextOutputs {
 public:
  struct Output {
    const TensorInfo& info;
    EmptyTensors tensors;
    Sizes sizes;                          // for the input shapes set last
    size_t offset = 0;                    // in the block of a call's outputs
    void* address = nullptr;              // as set last
    std::unique_ptr<TorchMemory> memory;  // set if the shape depends on values
  };

  // `engine` outlives this object.
  explicit ContextOutputs(const EngineFacts& engine);

  std::vector<Output>& all() { return outputs_; }
  const std::vector<Output>& all() const { return outputs_; }

  // True if any output is written on the host.
  bool on_host() const { return on_host_; }

  // True if TensorRT allocates any output while the engine runs, because its shape depends on values.
  bool sized_by_values() const { return sized_by_values_; }

  // Makes TensorRT allocate `output` from now on; sets its `memory`.
  void SizeByValues(Output& output);

  // Lays out the block of outputs after their sizes were set, if the setting pack_outputs is on.
  void SizesChanged();

  // Adds the tensors of a call to `made`: undefined ones for outputs that TensorRT allocates. Returns their addresses.
  Addresses Make(c10::ArrayRef<const at::Tensor*> inputs, c10::List<at::Tensor>& made);

  // Tells the outputs that TensorRT allocates in this call that they are written on `side`, not on the current stream.
  void WriteOn(const c10::Stream& side);

  // Puts the tensors that TensorRT allocated into `made`. `user`: the stream that reads them, if another stream wrote
  // them. Returns an output for which TensorRT reported no usable shape; null if there is none.
  const Output* Take(const std::optional<c10::Stream>& user, c10::List<at::Tensor>& made);

 private:
  at::Tensor MakeOne(const Output& output, c10::ArrayRef<const at::Tensor*> inputs, c10::Storage& block) const;

  const EngineFacts& engine_;
  std::vector<Output> outputs_;
  bool on_host_ = false;
  bool sized_by_values_ = false;
  size_t block_size_ = 0;  // bytes of the outputs that share a block; 0: none do
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_CONTEXT_OUTPUTS_H_
