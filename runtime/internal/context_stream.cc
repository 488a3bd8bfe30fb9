#include "runtime/internal/context_stream.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstdio>
#include <exception>

#include "core/device/cuda_driver.h"

namespace nacelle::runtime {
namespace {

// True if torch did not make the stream, so that its maker may destroy it: torch's own streams live as long as the
// process. torch gives its own streams odd ids, and others the address of the CUDA stream (CUDAStream.cpp, "StreamId").
bool MayGoAway(const c10::Stream& stream) { return stream.id() != 0 && stream.id() % 2 == 0; }

}  // namespace

CallerStream::CallerStream(c10::Device device) {
  if (device.is_cpu()) return;
  guard_.emplace(device);
  device::UseDevice(device.index());
  stream_ = c10::impl::VirtualGuardImpl(device.type()).getStream(device);
  native_ = stream_->native_handle();
}

bool CallerStream::Capturing() const { return native_ != nullptr && device::CudaDriver::Process().Capturing(native_); }

ContextStream::Section::Section(ContextStream& context, const CallerStream& caller, bool capturing)
    : context_(context), caller_(caller), capturing_(capturing), native_(caller.native()) {
  if (on_side()) {
    context.Fork(caller);
    native_ = context.last_->native_handle();
    return;
  }
  // While a graph is captured nothing may wait for work outside of it; the capturing call has waited for that work.
  if (context.last_ != caller.stream() && !capturing) context.WaitForLast(caller.stream());
  context.last_ = caller.stream();
}

void ContextStream::Section::Close() {
  open_ = false;
  if (on_side()) {
    context_.Join(caller_);
  } else if (capturing_) {
    context_.last_.reset();
  } else if (MayGoAway(caller_.stream())) {
    context_.done_.Record(caller_.native());
  }
}

ContextStream::Section::~Section() {
  if (!open_) return;
  try {
    Close();
  } catch (const std::exception& error) {
    // The call is throwing already, with the first failure.
    std::fprintf(stderr, "torch-nacelle: an event after an engine's work failed: %s\n", error.what());
  }
}

c10::Stream ContextStream::NewStream() const {
  return c10::impl::VirtualGuardImpl(device_.type()).getStreamFromGlobalPool(device_);
}

void ContextStream::Fork(const CallerStream& caller) {
  if (!side_) side_ = NewStream();
  if (last_ != side_) WaitForLast(*side_);
  before_.Record(caller.native());
  before_.Block(side_->native_handle());
  last_ = side_;
}

void ContextStream::Join(const CallerStream& caller) {
  try {
    after_.Record(side_->native_handle());
    after_.Block(caller.native());
  } catch (...) {
    // Memory of the call goes back to the caller's stream, which does not wait for the side stream.
    side_->synchronize();
    throw;
  }
}

void ContextStream::WaitForLast(const c10::Stream& next) {
  if (!last_) return;
  if (MayGoAway(*last_)) {
    done_.Block(next.native_handle());
    return;
  }
  // An event of a stream on which a graph is captured belongs to the graph, and a stream that waits for it would join
  // the capture. The work from before the capture is done; see StreamDone.
  if (device::CudaDriver::Process().Capturing(last_->native_handle())) return;
  change_.Record(last_->native_handle());
  change_.Block(next.native_handle());
}

bool ContextStream::Finished() const {
  if (!last_) return true;
  // While another thread captures a graph, the driver may refuse the query unless this thread relaxes its capture mode.
  const device::RelaxedCapture relaxed;
  return MayGoAway(*last_) ? done_.Done() : device::StreamDone(last_->native_handle());
}

}  // namespace nacelle::runtime
