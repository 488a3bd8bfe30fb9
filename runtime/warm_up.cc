#include "runtime/warm_up.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <vector>

#include "runtime/engine.h"
#include "runtime/execute.h"
#include "runtime/internal/infer_shapes.h"
#include "runtime/internal/loaded_engine.h"

namespace nacelle::runtime {
namespace {

using Tensors = std::vector<at::Tensor>;

at::Tensor Zeros(const TensorInfo& input, const std::vector<int64_t>& shape, c10::Device device) {
  return at::zeros(shape, at::TensorOptions().dtype(input.dtype).device(device));
}

// The inputs at a place of an optimization profile, which `at` takes from a range: of shapes, or of values.
template <typename At>
Tensors InputsAt(const LoadedEngine& engine, int profile, const At& at) {
  Tensors tensors;
  for (const TensorInfo& input : engine.facts().inputs) {
    const std::vector<int64_t> shape = at(input.optimization_profiles[static_cast<size_t>(profile)]);
    const std::vector<int64_t> values = at(HostValueRangeOf(engine.engine(), input, profile));
    tensors.push_back(values.empty() ? Zeros(input, shape, engine.facts().device)
                                     : at::tensor(values, at::kLong).to(input.dtype).reshape(shape));
  }
  return tensors;
}

// False if an input's values decide about shapes and the plan does not tell which it was built for.
bool TellsValues(const LoadedEngine& engine, int profile) {
  return std::ranges::all_of(engine.facts().inputs, [&](const TensorInfo& input) {
    return !input.on_host || !HostValueRangeOf(engine.engine(), input, profile).opt.empty();
  });
}

// The inputs of all calls. The ends of several inputs need not suit one another if values decide about shapes: a target
// of ones is none for a tensor of twelve elements.
std::vector<Tensors> CallsOf(const LoadedEngine& engine) {
  const bool by_values = std::ranges::any_of(engine.facts().inputs, &TensorInfo::on_host);
  std::vector<Tensors> calls;
  for (const std::vector<int>& group : engine.facts().optimization_profile_groups) {
    const int profile = group.front();
    if (by_values) {
      if (TellsValues(engine, profile)) {
        calls.push_back(InputsAt(engine, profile, [](const auto& range) { return range.opt; }));
      }
      continue;
    }
    calls.push_back(InputsAt(engine, profile, [](const auto& range) { return range.min; }));
    calls.push_back(InputsAt(engine, profile, [](const auto& range) { return range.max; }));
  }
  return calls;
}

void WarmUpEngine(Engine& engine) {
  c10::Device device = c10::kCPU;
  std::vector<Tensors> calls;
  {
    const Engine::Loaded loaded = engine.loaded();
    device = loaded->facts().device;
    calls = CallsOf(*loaded);
  }
  for (const Tensors& inputs : calls) Execute(engine, inputs);
  if (!device.is_cpu()) c10::impl::VirtualGuardImpl(device.type()).getStream(device).synchronize();
}

}  // namespace

void WarmUp(const EngineHolder& program) {
  const at::NoGradGuard no_grad;
  for (const EngineSite& site : FindEngines(program)) WarmUpEngine(*site.engine());
}

}  // namespace nacelle::runtime
