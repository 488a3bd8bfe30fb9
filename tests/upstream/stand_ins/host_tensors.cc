// Torch's device type CUDA over host memory: tensors that say that they are on cuda:0 and whose elements the CPU reads.
//
// Memory comes from the allocator of c10_cuda.cc. Views and copies are done here; every other operator runs its CPU
// kernel on copies in the CPU's own tensors.
#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/native/TensorConversions.h>
#include <ATen/ops/_copy_from_and_resize.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/view_native.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/impl/CUDAGuardImpl.h>
#include <torch/library.h>

#include <optional>

namespace nacelle::upstream {
namespace {

using at::IntArrayRef;
using at::Tensor;

constexpr c10::DispatchKeySet kKeys(c10::DispatchKey::CUDA);

Tensor Empty(IntArrayRef sizes, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
             std::optional<at::Device>, std::optional<bool> /*pinned*/, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(sizes, c10::cuda::CUDACachingAllocator::get(), kKeys, at::dtype_or_default(dtype),
                                   format);
}

Tensor EmptyStrided(IntArrayRef sizes, IntArrayRef strides, std::optional<at::ScalarType> dtype,
                    std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool> /*pinned*/) {
  return at::detail::empty_strided_generic(sizes, strides, c10::cuda::CUDACachingAllocator::get(), kKeys,
                                           at::dtype_or_default(dtype));
}

// The same memory as a tensor of the CPU, which lives no longer than `tensor`.
Tensor OnCpu(const Tensor& tensor) {
  if (tensor.is_cpu()) return tensor;
  return at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(), tensor.options().device(at::kCPU));
}

Tensor& Copy(Tensor& to, const Tensor& from, bool /*non_blocking*/) {
  OnCpu(to).copy_(OnCpu(from));
  return to;
}

// The CPU fallback's way to write what an operator changed in place.
Tensor CopyAndResize(const Tensor& from, const Tensor& to) {
  if (to.sizes() != from.sizes()) to.resize_(from.sizes());
  return to.copy_(from);
}

const Tensor& Resize(const Tensor& tensor, IntArrayRef sizes, std::optional<at::MemoryFormat> format) {
  TORCH_CHECK(!format || *format == at::MemoryFormat::Contiguous, "resize_ of a host tensor: contiguous only");
  auto* impl = tensor.unsafeGetTensorImpl();
  const size_t size = at::detail::computeStorageNbytesContiguous(sizes, tensor.itemsize());
  if (size > impl->unsafe_storage().nbytes()) {
    c10::DataPtr memory = c10::cuda::CUDACachingAllocator::get()->allocate(size);
    c10::cuda::CUDACachingAllocator::get()->copy_data(memory.get(), tensor.data_ptr(), tensor.nbytes());
    impl->unsafe_storage().set_data_ptr(std::move(memory));
    impl->unsafe_storage().set_nbytes(size);
  }
  impl->set_sizes_contiguous(sizes);
  return tensor;
}

void RunOnCpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) { at::native::cpu_fallback(op, stack); }

TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  library.impl("empty.memory_format", TORCH_FN(Empty));
  library.impl("empty_strided", TORCH_FN(EmptyStrided));
  library.impl("copy_", TORCH_FN(Copy));
  library.impl("_copy_from_and_resize", TORCH_FN(CopyAndResize));
  library.impl("resize_", TORCH_FN(Resize));
  library.impl("view", TORCH_FN(at::native::view));
  library.impl("as_strided", TORCH_FN(at::native::as_strided_tensorimpl));
}

TORCH_LIBRARY_IMPL(aten, CPU, library) { library.impl("_copy_from_and_resize", TORCH_FN(CopyAndResize)); }

TORCH_LIBRARY_IMPL(_, CUDA, library) { library.fallback(torch::CppFunction::makeFromBoxedFunction<&RunOnCpu>()); }

C10_REGISTER_GUARD_IMPL(CUDA, c10::cuda::impl::CUDAGuardImpl);

}  // namespace
}  // namespace nacelle::upstream
