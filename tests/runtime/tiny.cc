#include "tests/runtime/tiny.h"

#include <utility>

#include "reference/builder.h"
#include "runtime/embed.h"

namespace nacelle::runtime::testing {

using reference::TensorSpec;

std::string MakePlan(const std::string& forward, const std::vector<TensorSpec>& inputs,
                     const std::vector<std::string>& output_names) {
  torch::jit::Module module("Tiny");
  module.define(forward);
  reference::BuildOptions options;
  options.name = "tiny";
  options.inputs = inputs;
  options.output_names = output_names;
  return reference::BuildReferencePlan(module, options);
}

TensorSpec Fixed(std::string name, std::vector<int64_t> shape, tensorrt::DataType dtype) {
  TensorSpec spec;
  spec.name = std::move(name);
  spec.dtype = dtype;
  spec.shape = std::move(shape);
  return spec;
}

TensorSpec Batched(std::string name, std::vector<int64_t> shape, int64_t min, int64_t max) {
  TensorSpec spec = Fixed(std::move(name), std::move(shape));
  reference::ShapeRange range{spec.shape, spec.shape, spec.shape};
  range.min[0] = min;
  range.opt[0] = max;
  range.max[0] = max;
  spec.shape[0] = -1;
  spec.profiles.push_back(std::move(range));
  return spec;
}

std::string AffinePlan() {
  return MakePlan("def forward(self, x):\n    return x * 2.0 + 1.0\n", {Batched("input_0", {1, 3}, 1, 4)});
}

std::string TwoOutputsPlan() {
  return MakePlan("def forward(self, x):\n    return x + 1.0, x.sum(dim=1)\n", {Batched("input_0", {1, 3}, 1, 4)});
}

torch::jit::Module Embedded(std::string plan, const std::string& name) {
  EmbedOptions options;
  options.name = name;
  return EmbedEngine(std::move(plan), options);
}

}  // namespace nacelle::runtime::testing
