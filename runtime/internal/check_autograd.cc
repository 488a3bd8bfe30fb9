#include "runtime/internal/check_autograd.h"

#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstddef>
#include <string>

#include "core/error.h"
#include "core/text.h"
#include "runtime/engine.h"
#include "runtime/internal/check_inputs.h"
#include "runtime/internal/loaded_engine.h"

namespace nacelle::runtime {
namespace {

constexpr const char* kNoGradient = "and an engine has no gradient; ";
constexpr const char* kDetach = "give tensor.detach(), or call the engine under torch.no_grad()";

}  // namespace

void CheckAutograd(c10::ArrayRef<c10::IValue> inputs, const c10::IValue& engine_value, c10::DispatchKeySet keys) {
  if (!at::GradMode::is_enabled()) return;
  Engine& engine = *engine_value.toCustomClass<Engine>();
  const Engine::Loaded loaded = engine.loaded();
  const EngineFacts& facts = loaded->facts();
  for (size_t i = 0; i < std::min(inputs.size(), facts.inputs.size()); ++i) {
    const at::Tensor& tensor = inputs[i].toTensor();
    if (tensor._fw_grad(0).defined()) {
      throw InputError(Cat(NameInput(facts, i), " has a tangent of forward-mode differentiation, ", kNoGradient,
                           "give the tensor without it: torch.autograd.forward_ad.unpack_dual(tensor).primal"));
    }
    if (!tensor.requires_grad()) continue;
    if (keys.has(c10::DispatchKey::FuncTorchDynamicLayerBackMode)) {
      throw InputError(
          Cat(NameInput(facts, i), " is differentiated by torch.func (grad, vjp), ", kNoGradient, kDetach));
    }
    if (engine.FirstWithGradient()) {
      TORCH_WARN(NameInput(facts, i), " requires grad, ", kNoGradient,
                 "its outputs do not require grad, and backward() does not pass it. If this is meant, ", kDetach);
    }
  }
}

}  // namespace nacelle::runtime
