// The stream of a call of an engine, and the events that order it after other work.
#ifndef NACELLE_RUNTIME_INTERNAL_CONTEXT_STREAM_H_
#define NACELLE_RUNTIME_INTERNAL_CONTEXT_STREAM_H_

#include <c10/core/Device.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Stream.h>

#include <optional>

#include "core/device/cuda_event.h"

namespace nacelle::runtime {

// The current stream of a calling thread. Makes the engine's device the current one as long as it lives. On the CPU
// there is no stream.
class CallerStream {
 public:
  explicit CallerStream(c10::Device device);
  CallerStream(const CallerStream&) = delete;
  CallerStream& operator=(const CallerStream&) = delete;

  const c10::Stream& stream() const { return *stream_; }

  // A cudaStream_t; null for the legacy default stream and on the CPU.
  void* native() const { return native_; }

  // True if a CUDA graph is being captured on it. Asks the driver, except for the legacy default stream, which cannot
  // be captured.
  bool Capturing() const;

 private:
  std::optional<c10::DeviceGuard> guard_;
  std::optional<c10::Stream> stream_;
  void* native_ = nullptr;
};

// The stream that an execution context works on. It is the caller's, with one exception: TensorRT synchronizes on the
// legacy default stream, so calls from there run on a side stream of the context's own.
//
//   caller's stream   ──●──────────────────●──▶
//                 before│                  │after
//   side stream         └──▶ enqueueV3 ────┘
//
// Because the streams are joined both ways, memory that was allocated on the caller's stream before the section began
// is not reused before the engine is done with it, so torch's allocator need not know of the side stream.
//
// A context has scratch memory that only one call may use at a time, so its work on one stream waits for its work on
// any other.
//
// Used by one thread at a time, and not on the CPU.
class ContextStream {
 public:
  // `side`: the side stream to use. Without it the context makes one of its own when it needs one.
  ContextStream(c10::Device device, const std::optional<c10::Stream>& side) : device_(device), side_(side) {}

  // A part of a call in which work may be enqueued on native(). `capturing`: true if a graph is being captured on the
  // caller's stream; the work is then the graph's, and later calls of the context need not wait for it.
  class Section {
   public:
    Section(ContextStream& context, const CallerStream& caller, bool capturing);
    // Closes the section if a call failed before Close.
    ~Section();
    Section(const Section&) = delete;
    Section& operator=(const Section&) = delete;

    // Makes later work on the caller's stream wait for this work. Throws DeviceError if the driver refuses; the work on
    // a side stream is done then, and the context must not be used again.
    void Close();

    // The stream to enqueue on.
    const c10::Stream& stream() const { return *context_.last_; }
    // The same as a cudaStream_t.
    void* native() const { return native_; }
    // True if it is not the caller's.
    bool on_side() const { return caller_.native() == nullptr; }

   private:
    ContextStream& context_;
    const CallerStream& caller_;
    const bool capturing_;
    void* native_;
    bool open_ = true;
  };

  // True if all work of the context is done. Asks the driver.
  bool Finished() const;

  // Calls `work` with a stream of its own and waits for the work enqueued there. For the set-up of a context.
  template <typename Work>
  bool RunAlone(const Work& work) {
    const c10::Stream alone = NewStream();
    const bool done = work(alone.native_handle());
    alone.synchronize();
    return done;
  }

 private:
  c10::Stream NewStream() const;
  void Fork(const CallerStream& caller);
  void Join(const CallerStream& caller);
  void WaitForLast(const c10::Stream& next);

  const c10::Device device_;
  std::optional<c10::Stream> side_;
  std::optional<c10::Stream> last_;  // the stream of the context's current or last call
  device::CudaEvent before_;         // the caller's stream, when a call on the side stream began
  device::CudaEvent after_;          // the side stream, when the engine was enqueued
  device::CudaEvent done_;           // the end of the last call, if its stream may have been destroyed since
  device::CudaEvent change_;         // the last stream, when the next call came on another
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_CONTEXT_STREAM_H_
