// Which stream a call of an engine works on, and what it has to wait for.
#ifndef NACELLE_RUNTIME_INTERNAL_CONTEXT_STREAM_H_
#define NACELLE_RUNTIME_INTERNAL_CONTEXT_STREAM_H_

#include <c10/core/Device.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Stream.h>

#include <optional>

#include "core/device/cuda_event.h"

namespace nacelle::runtime {

// The stream of whoever calls, with the engine's device made the current one as long as this object lives. On the CPU
// there is none.
class CallerStream {
 public:
  explicit CallerStream(c10::Device device);
  CallerStream(const CallerStream&) = delete;
  CallerStream& operator=(const CallerStream&) = delete;

  const c10::Stream& stream() const { return *stream_; }

  // A cudaStream_t; null for the legacy default stream and on the CPU.
  void* native() const { return native_; }

  // Whether a CUDA graph is being captured on it. Asks the driver, except for the legacy default stream, which cannot
  // be captured.
  bool Capturing() const;

 private:
  std::optional<c10::DeviceGuard> guard_;
  std::optional<c10::Stream> stream_;
  void* native_ = nullptr;
};

// The stream that an execution context works on: that of its caller; but where this is the legacy default stream, on
// which TensorRT synchronizes, a side stream of the context's own, which waits for the caller's and is waited for by
// it. Because it is joined both ways, memory that was allocated on the caller's stream before the section began is not
// reused before the engine is done with it, so torch's allocator need not be told of the side stream.
//
// A context has scratch memory that only one call may use at a time: work on one stream waits for the context's work
// on another.
//
// For one thread at a time. On the CPU nothing is to be done, and none of this is called.
class ContextStream {
 public:
  // `side`: the side stream to use; none: one of its own, where it is needed.
  ContextStream(c10::Device device, const std::optional<c10::Stream>& side) : device_(device), side_(side) {}

  // As long as one is open, work may be enqueued on native(). `capturing`: a graph is being captured on the caller's
  // stream; the work is the graph's, and for the context it is as if there was none.
  class Section {
   public:
    Section(ContextStream& context, const CallerStream& caller, bool capturing);
    // Closes the section if a call failed before Close.
    ~Section();
    Section(const Section&) = delete;
    Section& operator=(const Section&) = delete;

    // Orders what comes on the caller's stream after the work. Throws DeviceError if the driver refuses; what was
    // enqueued on a side stream is done then, and the context is not to be used again.
    void Close();

    // The stream to enqueue on.
    const c10::Stream& stream() const { return *context_.last_; }
    // The same as a cudaStream_t.
    void* native() const { return native_; }
    // Whether it is not the caller's.
    bool on_side() const { return caller_.native() == nullptr; }

   private:
    ContextStream& context_;
    const CallerStream& caller_;
    const bool capturing_;
    void* native_;
    bool open_ = true;
  };

  // Whether all work of the context is done. Asks the driver.
  bool Finished() const;

  // Calls `work` with a stream that nobody else uses and waits for what it enqueued. For the set-up of a context.
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
  std::optional<c10::Stream> last_;  // where the context works, or worked the last time
  device::CudaEvent before_;         // the caller's stream, when a call on the side stream began
  device::CudaEvent after_;          // the side stream, when the engine was enqueued
  device::CudaEvent done_;           // the end of the last call, where its stream may be gone by now
  device::CudaEvent change_;         // the last stream, when the next call came on another
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_CONTEXT_STREAM_H_
