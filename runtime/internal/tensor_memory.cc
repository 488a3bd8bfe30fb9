#include "runtime/internal/tensor_memory.h"

#include <ATen/EmptyTensor.h>

#include <array>

#include "core/text.h"

namespace nacelle::runtime {
namespace {

using c10::DispatchKey;

struct Kind {
  DispatchKey key;
  const char* description;
};

// In order: the first key that a tensor has describes it best.
constexpr std::array kKinds = {
    Kind{DispatchKey::Functionalize, "is a functional tensor (torch.func.functionalize, torch.export, torch.compile)"},
    Kind{DispatchKey::FuncTorchBatched, "is a batch of torch.vmap"},
    Kind{DispatchKey::BatchedNestedTensor, "is a batch of nested tensors of torch.vmap"},
    Kind{DispatchKey::FuncTorchGradWrapper, "is a tensor of torch.func.grad, vjp or jvp"},
    Kind{DispatchKey::Batched, "is a batch of torch.vmap"},
    Kind{DispatchKey::Python,
         "is of a subclass of torch.Tensor that handles operators itself (FakeTensor, DTensor and the like)"},
    Kind{DispatchKey::NestedTensor, "is a nested tensor"},
    Kind{DispatchKey::Sparse, "is a sparse tensor"},
    Kind{DispatchKey::SparseCsr, "is a sparse tensor"},
    Kind{DispatchKey::Quantized, "is a quantized tensor"},
};

bool IsOfKind(const at::Tensor& tensor, DispatchKey key) {
  // Functionality keys of a backend (sparse, quantized, nested) are bits of their own.
  const c10::DispatchKeySet keys = tensor.key_set();
  return keys.has(key);
}

}  // namespace

std::string DescribeKind(const at::Tensor& tensor) {
  for (const Kind& kind : kKinds) {
    if (IsOfKind(tensor, kind.key)) return kind.description;
  }
  return Cat("is of a kind that has no plain memory (", c10::toString(tensor.key_set()), ")");
}

bool HoldsElements(const at::Tensor& tensor) {
  const int64_t count = tensor.numel();
  if (count == 0 || tensor._is_zerotensor()) return true;
  if (!tensor.has_storage()) return false;
  const c10::StorageImpl* const storage = tensor.unsafeGetTensorImpl()->unsafe_storage().unsafeGetStorageImpl();
  if (storage->data() == nullptr) return false;
  const size_t bytes = tensor.is_contiguous()
                           ? static_cast<size_t>(tensor.storage_offset() + count) * tensor.itemsize()
                           : at::detail::computeStorageNbytes(tensor.sizes(), tensor.strides(), tensor.itemsize(),
                                                              static_cast<size_t>(tensor.storage_offset()));
  return bytes <= storage->nbytes();
}

void* AddressOf(const at::Tensor& tensor) {
  return tensor.numel() == 0 ? NoElements() : const_cast<void*>(tensor.const_data_ptr());
}

void* AddressToWrite(const at::Tensor& tensor) {
  return tensor.numel() == 0 ? NoElements() : tensor.mutable_data_ptr();
}

void* NoElements() {
  alignas(kAlignment) static char memory[kAlignment];
  return memory;
}

}  // namespace nacelle::runtime
