// Memory for outputs.
#ifndef NACELLE_RUNTIME_INTERNAL_OUTPUT_MEMORY_H_
#define NACELLE_RUNTIME_INTERNAL_OUTPUT_MEMORY_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Allocator.h>
#include <c10/core/DispatchKeySet.h>
#include <c10/core/Storage.h>
#include <c10/core/Stream.h>
#include <c10/core/TensorOptions.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/tensorrt/callbacks.h"

namespace nacelle::runtime {

// Makes tensors of one dtype and device as at::empty does, without the way through torch's dispatcher. Constant.
class EmptyTensors {
 public:
  EmptyTensors(c10::ScalarType dtype, c10::Device device);

  // On the current device and its current stream.
  at::Tensor Make(at::IntArrayRef sizes) const;

  // Bytes of a tensor of these sizes.
  size_t Bytes(at::IntArrayRef sizes) const;

  // Memory for several tensors, on the current device and its current stream.
  c10::Storage MakeBlock(size_t bytes) const;

  // A tensor that lies in a block, `offset` bytes from its beginning, a multiple of an element's size.
  at::Tensor MakeIn(const c10::Storage& block, size_t offset, at::IntArrayRef sizes) const;

 private:
  c10::ScalarType dtype_;
  c10::Allocator* allocator_;
  c10::DispatchKeySet keys_;
};

// Gives TensorRT torch's memory to write an output into whose size is known only when the engine has run, so that the
// output needs no copy. For one context's thread at a time.
class TorchMemory final : public tensorrt::OutputMemory {
 public:
  // For an output of the dtype and device of `options`.
  TorchMemory(const tensorrt::SlotTable& table, const at::TensorOptions& options)
      : options_(options), allocator_(table, *this) {}

  tensorrt::OutputAllocator& allocator() { return allocator_; }

  void* Reallocate(const char* tensor, void* current, uint64_t size, uint64_t alignment, void* stream) override;
  void NotifyShape(const char* tensor, const tensorrt::Dims& shape) override;

  // Forgets what the call before left. `side`: the stream that the memory will be written on, where that is not the
  // current one.
  void Reset(const std::optional<c10::Stream>& side);

  // The output, over the memory that was asked for; undefined where TensorRT told no shape, or one that does not fit
  // that memory. Leaves nothing behind. `user`: the stream that will read it, where that is not the one of Reset.
  at::Tensor Take(const std::optional<c10::Stream>& user);

 private:
  at::Tensor Tensor();

  const at::TensorOptions options_;
  std::optional<c10::Stream> side_;
  at::Tensor bytes_;  // uint8, one dimension
  tensorrt::Dims shape_;
  tensorrt::OutputAllocator allocator_;
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_OUTPUT_MEMORY_H_
