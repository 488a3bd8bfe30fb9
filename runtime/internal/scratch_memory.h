// Scratch memory that engines share, one buffer per stream.
#ifndef NACELLE_RUNTIME_INTERNAL_SCRATCH_MEMORY_H_
#define NACELLE_RUNTIME_INTERNAL_SCRATCH_MEMORY_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Stream.h>

#include <cstdint>
#include <mutex>

namespace nacelle::runtime {

// A buffer of device memory for the calls on one stream. A call holds it until its work is enqueued: the kernels of two
// calls must not mix, since only their order on the stream keeps them apart.
class SharedScratch {
 public:
  // Returns the buffer of a stream. Buffers live as long as the process, and grow when they need to.
  static SharedScratch& For(const c10::Stream& stream);

  // Returns the stream of a device that stands in for the legacy default stream, so that callers there share a buffer.
  static c10::Stream SideStream(c10::Device device);

  class Use {
   public:
    // Waits for the buffer and makes it hold at least `size` bytes.
    Use(SharedScratch& scratch, const c10::Stream& stream, int64_t size);
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

    void* memory() const { return scratch_.memory_.data_ptr(); }
    int64_t size() const { return scratch_.memory_.numel(); }

   private:
    SharedScratch& scratch_;
    const std::lock_guard<std::mutex> lock_;
  };

 private:
  std::mutex mutex_;
  at::Tensor memory_;  // bytes
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_SCRATCH_MEMORY_H_
