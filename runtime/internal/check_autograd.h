// Checks the inputs of a call for what autograd keeps about them: an engine has no gradient.
#ifndef NACELLE_RUNTIME_INTERNAL_CHECK_AUTOGRAD_H_
#define NACELLE_RUNTIME_INTERNAL_CHECK_AUTOGRAD_H_

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <c10/core/DispatchKeySet.h>
#include <c10/util/ArrayRef.h>

namespace nacelle::runtime {

// True if autograd may keep something about the tensor. False for tensors that never took part in it.
inline bool HasAutogradState(const at::Tensor& tensor) {
  return tensor.unsafeGetTensorImpl()->autograd_meta() != nullptr;
}

// Looks for inputs from which the caller may expect a gradient to come back. The values are those of an interpreter's
// stack: a list of tensors and an Engine object; `keys` are the dispatch keys of the call.
//
// Warns, once for each engine, if an input requires grad: the outputs do not. Throws InputError if torch.func takes the
// gradient, or forward-mode differentiation the tangent, since both would give zeros. Does neither under
// torch.no_grad().
void CheckAutograd(c10::ArrayRef<c10::IValue> inputs, const c10::IValue& engine, c10::DispatchKeySet keys);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_CHECK_AUTOGRAD_H_
