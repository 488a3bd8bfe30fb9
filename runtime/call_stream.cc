#include "runtime/call_stream.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstdio>
#include <exception>

namespace nacelle::runtime {

CallStream::CallStream(c10::Device device, SideStream& side)
    : guard_(device),
      caller_(c10::impl::VirtualGuardImpl(device.type()).getStream(device)),
      native_(caller_.native_handle()) {
  if (native_ != nullptr) return;  // the legacy default stream is the null handle
  if (!side.stream) {
    side.stream = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
    side.before.emplace(device.type());
    side.after.emplace(device.type());
  }
  side.before->record(caller_);
  side.before->block(*side.stream);
  side_ = &side;
  native_ = side.stream->native_handle();
}

CallStream::~CallStream() {
  if (side_ == nullptr) return;
  try {
    side_->after->record(*side_->stream);
    side_->after->block(caller_);
  } catch (const std::exception& error) {
    // The device is lost; whatever uses it next says so too.
    std::fprintf(stderr, "torch-nacelle: joining the engine's stream failed: %s\n", error.what());
  }
}

}  // namespace nacelle::runtime
