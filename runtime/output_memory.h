// Memory for outputs whose size is known only when the engine has run.
#ifndef NACELLE_RUNTIME_OUTPUT_MEMORY_H_
#define NACELLE_RUNTIME_OUTPUT_MEMORY_H_

#include <ATen/core/Tensor.h>
#include <c10/core/TensorOptions.h>

#include <cstdint>

#include "core/tensorrt/callbacks.h"

namespace nacelle::runtime {

// Gives TensorRT torch's memory to write into, so that the output needs no copy. For one context's thread at a time.
class TorchMemory final : public tensorrt::OutputMemory {
 public:
  // For an output of the dtype and device of `options`.
  TorchMemory(const tensorrt::SlotTable& table, const at::TensorOptions& options)
      : options_(options), allocator_(table, *this) {}

  tensorrt::OutputAllocator& allocator() { return allocator_; }

  void* Reallocate(const char* tensor, void* current, uint64_t size, uint64_t alignment, void* stream) override;
  void NotifyShape(const char* tensor, const tensorrt::Dims& shape) override;

  // Forgets what the call before left.
  void Reset();

  // The output, over the memory that was asked for; undefined where TensorRT told no shape, or one that does not fit
  // that memory. Leaves nothing behind.
  at::Tensor Take();

 private:
  const at::TensorOptions options_;
  at::Tensor bytes_;  // uint8, one dimension
  tensorrt::Dims shape_;
  tensorrt::OutputAllocator allocator_;
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_OUTPUT_MEMORY_H_
