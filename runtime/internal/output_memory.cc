#include "runtime/internal/output_memory.h"

#include <ATen/EmptyTensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/StreamGuard.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <utility>

namespace nacelle::runtime {

EmptyTensors::EmptyTensors(c10::ScalarType dtype, c10::Device device)
    : dtype_(dtype),
      allocator_(c10::GetAllocator(device.type())),
      keys_(c10::computeDispatchKey(dtype, c10::kStrided, device)) {}

at::Tensor EmptyTensors::Make(at::IntArrayRef sizes) const {
  return at::detail::empty_generic(sizes, allocator_, keys_, dtype_, std::nullopt);
}

size_t EmptyTensors::Bytes(at::IntArrayRef sizes) const {
  return static_cast<size_t>(c10::multiply_integers(sizes)) * c10::elementSize(dtype_);
}

c10::Storage EmptyTensors::MakeBlock(size_t bytes) const {
  return c10::make_intrusive<c10::StorageImpl>(c10::StorageImpl::use_byte_size_t(), bytes, allocator_,
                                               /*resizable=*/true);
}

at::Tensor EmptyTensors::MakeIn(const c10::Storage& block, size_t offset, at::IntArrayRef sizes) const {
  at::Tensor tensor =
      at::detail::make_tensor<c10::TensorImpl>(c10::Storage(block), keys_, c10::scalarTypeToTypeMeta(dtype_));
  tensor.unsafeGetTensorImpl()->set_storage_offset(static_cast<int64_t>(offset / c10::elementSize(dtype_)));
  tensor.unsafeGetTensorImpl()->set_sizes_contiguous(sizes);
  return tensor;
}

void* TorchMemory::Reallocate(const char* /*tensor*/, void* /*current*/, uint64_t size, uint64_t /*alignment*/,
                              void* /*stream*/) {
  // Memory that torch reuses from another stream may still be written there, so it is allocated on the stream that will
  // write it.
  std::optional<c10::StreamGuard> guard;
  if (side_) guard.emplace(*side_);
  // torch's allocators align to at least 64 bytes on the CPU and 512 on CUDA, as TensorRT asks for there. An output of
  // no elements still gets an address: null would mean that there is no memory.
  bytes_ = at::empty({static_cast<int64_t>(std::max<uint64_t>(size, 1))}, options_.dtype(at::kByte));
  return bytes_.mutable_data_ptr();
}

void TorchMemory::NotifyShape(const char* /*tensor*/, const tensorrt::Dims& shape) { shape_ = shape; }

void TorchMemory::Reset(const std::optional<c10::Stream>& side) {
  side_ = side;
  bytes_.reset();
  shape_ = tensorrt::Dims();
}

at::Tensor TorchMemory::Take(const std::optional<c10::Stream>& user) {
  at::Tensor output = Tensor();
  if (output.defined() && side_ && user) output.record_stream(*user);
  Reset(std::nullopt);
  return output;
}

at::Tensor TorchMemory::Tensor() {
  if (!bytes_.defined() || !shape_.valid()) return {};
  uint64_t size = options_.dtype().itemsize();
  for (const int64_t extent : shape_.extents()) {
    if (extent < 0 || __builtin_mul_overflow(size, static_cast<uint64_t>(extent), &size)) return {};
  }
  if (size > static_cast<uint64_t>(bytes_.numel())) return {};
  at::Tensor output = at::empty({0}, options_);
  output.unsafeGetTensorImpl()->set_storage_keep_dtype(bytes_.storage());
  output.unsafeGetTensorImpl()->set_sizes_contiguous(at::IntArrayRef(shape_.d, static_cast<size_t>(shape_.nb)));
  return output;
}

}  // namespace nacelle::runtime
