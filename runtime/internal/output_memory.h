// Allocates output tensors.
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

// Makes tensors of one dtype and device like at::empty, without the cost of torch's dispatcher. Constant.
class EmptyTensors {
 public:
  EmptyTensors(c10::ScalarType dtype, c10::Device device);

  // Makes a tensor on the current device and its current stream.
  at::Tensor Make(at::IntArrayRef sizes) const;

  // Returns the bytes of a tensor of these sizes.
  size_t Bytes(at::IntArrayRef sizes) const;

  // Allocates memory for several tensors, on the current device and its current stream.
  c10::Storage MakeBlock(size_t bytes) const;

  // Makes a tensor inside a block, `offset` bytes from its beginning, a multiple of an element's size.
  at::Tensor MakeIn(const c10::Storage& block, size_t offset, at::IntArrayRef sizes) const;

 private:
  c10::ScalarType dtype_;
  c10::Allocator* allocator_;
  c10::DispatchKeySet keys_;
};

// Gives TensorRT memory of torch's for an output whose size is known only when the engine has run, so that the output
// needs no copy. Used by one thread at a time, the one that has the context.
class TorchMemory final : public tensorrt::OutputMemory {
 public:
  // `options`: the dtype and device of the output.
  TorchMemory(const tensorrt::SlotTable& table, const at::TensorOptions& options)
      : options_(options), allocator_(table, *this) {}

  tensorrt::OutputAllocator& allocator() { return allocator_; }

  void* Reallocate(const char* tensor, void* current, uint64_t size, uint64_t alignment, void* stream) override;
  void NotifyShape(const char* tensor, const tensorrt::Dims& shape) override;

  // Forgets the memory and shape of the call before. `side`: the stream that the memory will be written on, if that is
  // not the current one.
  void Reset(const std::optional<c10::Stream>& side);

  // Returns the output in the memory that TensorRT asked for; an undefined tensor if TensorRT reported no shape, or one
  // that does not fit that memory. Keeps no reference to it. `user`: the stream that will read it, if that is not the
  // one of Reset.
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
