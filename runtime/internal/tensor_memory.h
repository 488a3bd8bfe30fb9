// Looks at the memory of a call's tensors.
#ifndef NACELLE_RUNTIME_INTERNAL_TENSOR_MEMORY_H_
#define NACELLE_RUNTIME_INTERNAL_TENSOR_MEMORY_H_

#include <ATen/core/Tensor.h>
#include <c10/core/DispatchKeySet.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace nacelle::runtime {

// The alignment that TensorRT asks of addresses; torch's own allocations have it, slices of them may not.
inline constexpr uintptr_t kAlignment = 256;

// Dispatch keys of tensors whose sign or zeros torch applies when it reads them; memory does not hold these.
inline constexpr c10::DispatchKeySet kLazyKeys({c10::DispatchKey::Negative, c10::DispatchKey::ZeroTensor});

// True if the tensor stands for the memory of its storage: no wrapper that torch's operators take apart (FakeTensor,
// DTensor, a batch of torch.vmap …), and no other layout (sparse, nested, quantized). Plain Python subclasses and
// Parameters are such tensors. A test of the dispatch keys alone; nothing else of other tensors may be asked before.
inline bool StandsForMemory(const at::Tensor& tensor) {
  constexpr c10::DispatchKeySet kPlain =
      c10::DispatchKeySet(c10::DispatchKeySet::RAW, c10::full_backend_mask) |
      c10::DispatchKeySet(c10::DispatchKey::Dense) | c10::autograd_dispatch_keyset | c10::autocast_dispatch_keyset |
      c10::DispatchKeySet({c10::DispatchKey::ADInplaceOrView, c10::DispatchKey::Negative, c10::DispatchKey::Conjugate,
                           c10::DispatchKey::ZeroTensor});
  return (tensor.key_set().raw_repr() & ~kPlain.raw_repr()) == 0;
}

// Names the wrapper or layout of a tensor for which StandsForMemory is false: "is a sparse tensor". For messages.
std::string DescribeKind(const at::Tensor& tensor);

// True if every element is in the tensor's storage, or the tensor is a lazy zero, which needs none. False for storage
// that was given back (resize_(0)) or cut. For tensors that stand for memory and are not on the meta device.
bool HoldsElements(const at::Tensor& tensor);

// True if the storage cannot be passed as is: strided, or with torch's lazy negation or zero.
inline bool NeedsCopy(const at::Tensor& tensor) {
  return !tensor.is_contiguous() || tensor.key_set().has_any(kLazyKeys);
}

// True if TensorRT would refuse the address. On the CPU the reference engine reads with torch, which needs no
// alignment.
inline bool Misaligned(const void* address, bool on_cpu) {
  return !on_cpu && reinterpret_cast<uintptr_t>(address) % kAlignment != 0;
}

// Returns the address of the elements, for TensorRT; NoElements() if there are none.
void* AddressOf(const at::Tensor& tensor);

// Returns the same for a tensor that is written. A lazy clone gets memory of its own first.
void* AddressToWrite(const at::Tensor& tensor);

// Returns an address for tensors without elements, which is never read: TensorRT takes null for "not set".
void* NoElements();

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_TENSOR_MEMORY_H_
