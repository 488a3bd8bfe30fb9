#include "runtime/check_inputs.h"

#include <string>

#include "core/error.h"
#include "core/text.h"
#include "runtime/scalar_type.h"
#include "runtime/tensor_info.h"

namespace nacelle::runtime {
namespace {

// The input for a message: `input "x" (number 0) of engine "resnet"`.
std::string Which(const LoadedEngine& engine, size_t index) {
  return Cat("input ", Quote(engine.inputs()[index].name), " (number ", index, ") of engine ", Quote(engine.name()));
}

std::string ShapeOf(const at::Tensor& tensor) { return ShapeText(tensor.sizes().data(), tensor.sizes().size()); }

[[noreturn, gnu::noinline]] void ThrowCount(const LoadedEngine& engine, size_t found) {
  std::vector<std::string> wanted;
  for (const TensorInfo& input : engine.inputs()) wanted.push_back(Describe(input));
  throw InputError(Cat("engine ", Quote(engine.name()), " takes ", wanted.size(),
                       wanted.size() == 1 ? " input" : " inputs", ", found ", found, "; it takes ",
                       Join(wanted, "; ")));
}

[[noreturn, gnu::noinline]] void ThrowTensor(const LoadedEngine& engine, size_t index, const at::Tensor& tensor) {
  const TensorInfo& wanted = engine.inputs()[index];
  const std::string which = Which(engine, index);
  if (!tensor.defined()) {
    throw InputError(Cat(which, " is an undefined tensor (None in Python); wanted ", Describe(wanted)));
  }
  if (tensor.layout() != at::kStrided) {
    throw InputError(
        Cat(which, " has the layout ", tensor.layout(), "; wanted a dense tensor: call .to_dense() on it"));
  }
  if (tensor.device() != engine.device()) {
    throw InputError(Cat(which, " is on ", tensor.device().str(), ", the engine runs on ", engine.device().str(),
                         "; move the tensor with .to(\"", engine.device().str(), "\")"));
  }
  if (tensor.scalar_type() != wanted.dtype) {
    const std::string dtype = DtypeName(wanted.dtype);
    throw InputError(Cat(which, " has dtype ", DtypeName(tensor.scalar_type()), ", wanted ", dtype,
                         "; convert it with .to(torch.", dtype, ")"));
  }
  throw InputError(Cat(which, " has ", tensor.dim(), " dimensions, ", ShapeOf(tensor), ", wanted ", wanted.shape.size(),
                       ": ", ShapeText(wanted.shape)));
}

[[noreturn, gnu::noinline]] void ThrowShape(const LoadedEngine& engine, c10::ArrayRef<const at::Tensor*> inputs) {
  const int profiles = engine.profile_count();
  std::string reasons;
  for (int profile = 0; profile < profiles; ++profile) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      const ShapeRange& range = engine.inputs()[i].profiles[profile];
      const at::IntArrayRef sizes = inputs[i]->sizes();
      for (size_t d = 0; d < sizes.size(); ++d) {
        if (sizes[d] >= range.min[d] && sizes[d] <= range.max[d]) continue;
        reasons += Cat(reasons.empty() ? "" : "; ", Which(engine, i), " has the shape ", ShapeOf(*inputs[i]),
                       ": dimension ", d, " is ", sizes[d], ", wanted ",
                       range.min[d] == range.max[d] ? Cat(range.min[d]) : Cat(range.min[d], " to ", range.max[d]),
                       profiles == 1 ? std::string() : Cat(" (optimization profile ", profile, ")"));
      }
    }
  }
  throw InputError(reasons + "; give shapes in that range, or build the engine with another optimization profile");
}

bool Allows(const ShapeRange& range, at::IntArrayRef sizes) {
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (sizes[d] < range.min[d] || sizes[d] > range.max[d]) return false;
  }
  return true;
}

}  // namespace

int CheckInputs(const LoadedEngine& engine, c10::ArrayRef<const at::Tensor*> inputs) {
  const std::vector<TensorInfo>& wanted = engine.inputs();
  if (inputs.size() != wanted.size()) ThrowCount(engine, inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const at::Tensor& tensor = *inputs[i];
    if (!tensor.defined() || tensor.layout() != at::kStrided || tensor.device() != engine.device() ||
        tensor.scalar_type() != wanted[i].dtype || tensor.sizes().size() != wanted[i].shape.size()) {
      ThrowTensor(engine, i, tensor);
    }
  }
  for (int profile = 0; profile < engine.profile_count(); ++profile) {
    bool allowed = true;
    for (size_t i = 0; i < inputs.size() && allowed; ++i) {
      allowed = Allows(wanted[i].profiles[profile], inputs[i]->sizes());
    }
    if (allowed) return profile;
  }
  ThrowShape(engine, inputs);
}

}  // namespace nacelle::runtime
