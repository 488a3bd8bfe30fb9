#include "runtime/internal/scratch_memory.h"

#include <ATen/ops/empty.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

namespace nacelle::runtime {
namespace {

// Returns the value for `key`, made by the first call with it. Never destroyed: threads may still run at exit.
template <typename Key, typename Value, typename Make>
Value& Memoized(const Key& key, const Make& make) {
  static auto* const mutex = new std::mutex;
  static auto* const values = new std::map<Key, std::unique_ptr<Value>>;
  const std::lock_guard lock(*mutex);
  std::unique_ptr<Value>& value = (*values)[key];
  if (value == nullptr) value = make();
  return *value;
}

}  // namespace

SharedScratch& SharedScratch::For(const c10::Stream& stream) {
  return Memoized<std::pair<c10::DeviceIndex, c10::StreamId>, SharedScratch>(
      {stream.device_index(), stream.id()}, [] { return std::make_unique<SharedScratch>(); });
}

c10::Stream SharedScratch::SideStream(c10::Device device) {
  return Memoized<c10::DeviceIndex, c10::Stream>(device.index(), [&] {
    return std::make_unique<c10::Stream>(c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device));
  });
}

SharedScratch::Use::Use(SharedScratch& scratch, const c10::Stream& stream, int64_t size)
    : scratch_(scratch), lock_(scratch.mutex_) {
  if (scratch_.memory_.defined() && scratch_.memory_.numel() >= size) return;
  // torch reuses the smaller buffer only after the work that is on the stream already.
  const c10::StreamGuard guard(stream);
  scratch_.memory_ = at::Tensor();
  scratch_.memory_ =
      at::empty({std::max<int64_t>(size, 1)}, at::TensorOptions().dtype(at::kByte).device(stream.device()));
}

}  // namespace nacelle::runtime
