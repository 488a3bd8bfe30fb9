// The stream that one call of an engine works on.
#ifndef NACELLE_RUNTIME_CALL_STREAM_H_
#define NACELLE_RUNTIME_CALL_STREAM_H_

#include <c10/core/Device.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <optional>

namespace nacelle::runtime {

// A stream beside the caller's, for one execution context. Made when it is first needed.
struct SideStream {
  std::optional<c10::Stream> stream;
  std::optional<c10::Event> before;  // the caller's stream, when the call began
  std::optional<c10::Event> after;   // the side stream, when the engine was enqueued
};

// For the time of one call on a GPU: makes the engine's device the current one, and finds the stream to enqueue on.
// That is the caller's current stream; but where this is the legacy default stream, on which TensorRT synchronizes,
// it is a side stream that waits for the caller's and, when this object goes, is waited for by it. Because it is
// joined both ways, memory that the caller's stream frees later is not reused before the engine is done with it, so
// torch's allocator need not be told of the side stream.
class CallStream {
 public:
  CallStream(c10::Device device, SideStream& side);
  ~CallStream();
  CallStream(const CallStream&) = delete;
  CallStream& operator=(const CallStream&) = delete;

  // A cudaStream_t.
  void* native() const { return native_; }

 private:
  const c10::DeviceGuard guard_;
  const c10::Stream caller_;
  SideStream* side_ = nullptr;  // where a side stream is used
  void* native_;
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_CALL_STREAM_H_
