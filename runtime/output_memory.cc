#include "runtime/output_memory.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <utility>

namespace nacelle::runtime {

void* TorchMemory::Reallocate(const char* /*tensor*/, void* /*current*/, uint64_t size, uint64_t /*alignment*/,
                              void* /*stream*/) {
  // torch's allocators align to at least 64 bytes on the CPU and 512 on CUDA, which is what TensorRT asks for there.
  // An output of no elements still gets an address: null would mean that there is no memory.
  bytes_ = at::empty({static_cast<int64_t>(std::max<uint64_t>(size, 1))}, options_.dtype(at::kByte));
  return bytes_.mutable_data_ptr();
}

void TorchMemory::NotifyShape(const char* /*tensor*/, const tensorrt::Dims& shape) { shape_ = shape; }

void TorchMemory::Reset() {
  bytes_.reset();
  shape_ = tensorrt::Dims();
}

at::Tensor TorchMemory::Take() {
  const at::Tensor bytes = std::exchange(bytes_, {});
  const tensorrt::Dims shape = std::exchange(shape_, {});
  if (!bytes.defined() || !shape.valid()) return {};
  uint64_t size = options_.dtype().itemsize();
  for (const int64_t extent : shape.extents()) {
    if (extent < 0 || __builtin_mul_overflow(size, static_cast<uint64_t>(extent), &size)) return {};
  }
  if (size > static_cast<uint64_t>(bytes.numel())) return {};
  at::Tensor output = at::empty({0}, options_);
  output.unsafeGetTensorImpl()->set_storage_keep_dtype(bytes.storage());
  output.unsafeGetTensorImpl()->set_sizes_contiguous(at::IntArrayRef(shape.d, static_cast<size_t>(shape.nb)));
  return output;
}

}  // namespace nacelle::runtime
