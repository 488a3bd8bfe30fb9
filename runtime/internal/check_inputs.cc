#include "runtime/internal/check_inputs.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.h"
#include "core/text.h"
#include "runtime/internal/tensor_memory.h"
#include "runtime/tensor_info.h"

namespace nacelle::runtime {
namespace {

// Names an input in a message: `input "x" (number 0) of engine "resnet"`.
std::string Which(const EngineFacts& engine, size_t index) {
  return Cat("input ", Quote(engine.inputs[index].name), " (number ", index, ") of engine ", Quote(engine.name));
}

std::string ShapeOf(const at::Tensor& tensor) { return ShapeText(tensor.sizes().data(), tensor.sizes().size()); }

// Tensors on whose values shapes depend are read on the host, so they may be there or on the engine's device.
bool OnRightDevice(const EngineFacts& engine, const TensorInfo& wanted, const at::Tensor& tensor) {
  return tensor.device() == engine.device || (wanted.on_host && tensor.is_cpu());
}

[[noreturn, gnu::noinline]] void ThrowCount(const EngineFacts& engine, size_t found) {
  std::vector<std::string> wanted;
  for (const TensorInfo& input : engine.inputs) wanted.push_back(Describe(input));
  throw InputError(Cat("engine ", Quote(engine.name), " got ", found, found == 1 ? " input" : " inputs", "; wanted ",
                       wanted.size(), ": ", Join(wanted, "; ")));
}

// Returns the advice to let the engine do it instead; empty for an input that must not be copied.
std::string OrLetTheEngine(const TensorInfo& wanted, const char* setting) {
  if (wanted.written) return "";
  return Cat(", or let the engine do it: torch_nacelle.configure(program, ", setting, "=True)");
}

// True if an output can be written to the tensor's own memory.
bool CanBeWritten(const EngineFacts& engine, const at::Tensor& tensor) {
  return !NeedsCopy(tensor) && !Misaligned(tensor.const_data_ptr(), engine.device.is_cpu());
}

// Throws for a tensor that has no memory of its own, or none that an engine can read.
[[noreturn]] void ThrowNoMemory(const std::string& which, const TensorInfo& wanted, const at::Tensor& tensor) {
  using Key = c10::DispatchKey;
  const c10::DispatchKeySet keys = tensor.key_set();
  const bool wraps = keys.has_any(c10::DispatchKeySet({Key::Python, Key::FuncTorchBatched, Key::FuncTorchGradWrapper}));
  if (!wraps && keys.has_any(c10::DispatchKeySet({Key::Sparse, Key::SparseCsr, Key::MkldnnCPU}))) {
    throw InputError(
        Cat(which, " has the layout ", tensor.layout(), "; wanted a dense tensor: call .to_dense() on it"));
  }
  if (!wraps && keys.has(Key::Quantized)) {
    throw InputError(Cat(which, " ", DescribeKind(tensor), "; wanted ", DtypeName(wanted.dtype),
                         "; convert it with .dequantize() or .int_repr()"));
  }
  throw InputError(Cat(which, " ", DescribeKind(tensor),
                       ", whose values an engine cannot read; wanted a plain tensor with memory of its own: call the "
                       "program outside of what traces, wraps or batches tensors, or give it the plain tensor inside"));
}

// Returns the reason that an output cannot be written to the memory of the tensor.
std::string WhyNotWritten(const at::Tensor& tensor) {
  if (tensor._is_zerotensor()) return "it is a lazy zero, which has no memory: give torch.zeros_like(tensor)";
  if (tensor.is_neg()) return "it is negated lazily: give tensor.resolve_neg()";
  if (!tensor.is_contiguous()) return "it is not contiguous: give tensor.contiguous()";
  return Cat("its memory does not begin at a multiple of ", kAlignment, " bytes: give tensor.clone()");
}

[[noreturn, gnu::noinline]] void ThrowTensor(const EngineFacts& engine, size_t index, const at::Tensor& tensor) {
  const TensorInfo& wanted = engine.inputs[index];
  const std::string which = Which(engine, index);
  if (!tensor.defined()) {
    throw InputError(Cat(which, " is an undefined tensor (None in Python); wanted ", Describe(wanted)));
  }
  if (!StandsForMemory(tensor)) ThrowNoMemory(which, wanted, tensor);
  if (tensor.is_meta()) {
    throw InputError(
        Cat(which, " is on the meta device, whose tensors have no values; wanted a tensor on ", engine.device.str()));
  }
  if (!HoldsElements(tensor)) {
    throw InputError(Cat(which, " has the shape ", ShapeOf(tensor), ", and its storage holds ",
                         tensor.has_storage() ? tensor.storage().nbytes() : 0,
                         " bytes, less than these elements need: it was resized, or its memory was given back; "
                         "give a tensor that has its memory"));
  }
  if (!OnRightDevice(engine, wanted, tensor)) {
    throw InputError(Cat(which, " is on ", tensor.device().str(), "; wanted ", engine.device.str(),
                         ", where the engine runs; move the tensor with .to(\"", engine.device.str(), "\")",
                         OrLetTheEngine(wanted, "move_inputs")));
  }
  if (tensor.scalar_type() != wanted.dtype) {
    const std::string dtype = DtypeName(wanted.dtype);
    throw InputError(Cat(which, " has dtype ", DtypeName(tensor.scalar_type()), "; wanted ", dtype,
                         "; convert it with .to(torch.", dtype, ")", OrLetTheEngine(wanted, "convert_inputs")));
  }
  if (tensor.sizes().size() != wanted.shape.size()) {
    throw InputError(Cat(which, " has ", tensor.dim(), " dimensions, ", ShapeOf(tensor), "; wanted ",
                         wanted.shape.size(), ": ", ShapeText(wanted.shape)));
  }
  throw InputError(Cat(which, " shares its memory with an output, so it cannot be copied for the call, and ",
                       WhyNotWritten(tensor)));
}

[[noreturn, gnu::noinline]] void ThrowShape(const EngineFacts& engine, c10::ArrayRef<const at::Tensor*> inputs) {
  std::string reasons;
  for (const std::vector<int>& group : engine.optimization_profile_groups) {
    const int profile = group.front();
    for (size_t i = 0; i < inputs.size(); ++i) {
      const ShapeRange& range = engine.inputs[i].optimization_profiles[profile];
      const at::IntArrayRef sizes = inputs[i]->sizes();
      for (size_t d = 0; d < sizes.size(); ++d) {
        if (sizes[d] >= range.min[d] && sizes[d] <= range.max[d]) continue;
        reasons +=
            Cat(reasons.empty() ? "" : "; ", Which(engine, i), " has the shape ", ShapeOf(*inputs[i]), ": dimension ",
                d, " is ", sizes[d], "; wanted ",
                range.min[d] == range.max[d] ? Cat(range.min[d]) : Cat(range.min[d], " to ", range.max[d]),
                engine.optimization_profile_count == 1 ? std::string() : Cat(" (optimization profile ", profile, ")"));
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

// Returns the distance of the shapes from an optimization profile's optimum: 0 at the optimum; a dimension twice the
// optimum counts 1.
double Distance(const EngineFacts& engine, const std::vector<int>& group, c10::ArrayRef<const at::Tensor*> inputs) {
  double distance = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ShapeRange& range = engine.inputs[i].optimization_profiles[group.front()];
    for (size_t d = 0; d < range.opt.size(); ++d) {
      const auto size = static_cast<double>(inputs[i]->sizes()[d]);
      distance += std::abs(size / static_cast<double>(std::max<int64_t>(range.opt[d], 1)) - 1);
    }
  }
  return distance;
}

bool Allows(const EngineFacts& engine, const std::vector<int>& group, c10::ArrayRef<const at::Tensor*> inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!Allows(engine.inputs[i].optimization_profiles[group.front()], inputs[i]->sizes())) return false;
  }
  return true;
}

// Returns the index of the nearest group; the number of groups if none allows the shapes.
size_t Nearest(const EngineFacts& engine, c10::ArrayRef<const at::Tensor*> inputs) {
  const std::vector<std::vector<int>>& groups = engine.optimization_profile_groups;
  size_t nearest = groups.size();
  double min_distance = 0;
  for (size_t i = 0; i < groups.size(); ++i) {
    if (!Allows(engine, groups[i], inputs)) continue;
    const double distance = Distance(engine, groups[i], inputs);
    if (nearest != groups.size() && distance >= min_distance) continue;
    nearest = i;
    min_distance = distance;
  }
  return nearest;
}

}  // namespace

size_t CheckInputs(const EngineFacts& engine, c10::ArrayRef<const at::Tensor*> inputs) {
  const std::vector<TensorInfo>& wanted = engine.inputs;
  if (inputs.size() != wanted.size()) ThrowCount(engine, inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const at::Tensor& tensor = *inputs[i];
    if (!tensor.defined() || !StandsForMemory(tensor) || !OnRightDevice(engine, wanted[i], tensor) ||
        tensor.scalar_type() != wanted[i].dtype || tensor.sizes().size() != wanted[i].shape.size() ||
        !HoldsElements(tensor) || (wanted[i].written && !CanBeWritten(engine, tensor))) {
      ThrowTensor(engine, i, tensor);
    }
  }
  const std::vector<std::vector<int>>& groups = engine.optimization_profile_groups;
  const size_t group = groups.size() == 1 ? (Allows(engine, groups[0], inputs) ? 0 : 1) : Nearest(engine, inputs);
  if (group == groups.size()) ThrowShape(engine, inputs);
  return group;
}

c10::SmallVector<at::Tensor, 8> AdaptInputs(const EngineFacts& engine, c10::ArrayRef<const at::Tensor*> inputs) {
  const Settings& settings = engine.settings;
  c10::SmallVector<at::Tensor, 8> adapted;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const at::Tensor& tensor = *inputs[i];
    // CheckInputs throws for tensors that cannot be copied.
    const bool can_be_copied =
        tensor.defined() && StandsForMemory(tensor) && !tensor.is_meta() && HoldsElements(tensor);
    if (i >= engine.inputs.size() || !can_be_copied || engine.inputs[i].written) {
      adapted.push_back(tensor);
      continue;
    }
    const TensorInfo& wanted = engine.inputs[i];
    const bool moved = settings.move_inputs && !OnRightDevice(engine, wanted, tensor);
    const bool converted = settings.convert_inputs && !tensor.is_complex();  // an imaginary part would be lost
    adapted.push_back(
        tensor.to(moved ? engine.device : tensor.device(), converted ? wanted.dtype : tensor.scalar_type()));
  }
  return adapted;
}

}  // namespace nacelle::runtime
