#include "tests/reference/networks.h"

#include <torch/csrc/jit/api/module.h>

#include <utility>

#include "reference/archive.h"
#include "reference/builder.h"

namespace nacelle::reference {

using tensorrt::DataType;

namespace {

constexpr const char* kTwoHeads = R"(
def forward(self, x):
    return x.sum(1), x * 2.0
)";

std::string MakeTwoHeads(TensorSpec input) {
  return PlanOf(kTwoHeads, {std::move(input)},
                {.name = "two_heads", .output_names = {"sum", "twice"}, .data_dependent = {}});
}

}  // namespace

TensorSpec Fixed(std::string name, DataType dtype, std::vector<int64_t> shape) {
  TensorSpec spec;
  spec.name = std::move(name);
  spec.dtype = dtype;
  spec.shape = std::move(shape);
  return spec;
}

TensorSpec Dynamic(std::string name, DataType dtype, std::vector<ShapeRange> profiles) {
  TensorSpec spec = Fixed(std::move(name), dtype, profiles.at(0).min);
  for (const ShapeRange& range : profiles) {
    for (size_t i = 0; i < spec.shape.size(); ++i) {
      if (range.min[i] != spec.shape[i] || range.max[i] != spec.shape[i]) spec.shape[i] = -1;
    }
  }
  spec.profiles = std::move(profiles);
  return spec;
}

std::string PlanOf(const std::string& forward, std::vector<TensorSpec> inputs, const NetworkOptions& options) {
  torch::jit::Module module("Network");
  module.define(forward);
  BuildOptions build;
  build.name = options.name;
  build.inputs = std::move(inputs);
  build.output_names = options.output_names;
  build.data_dependent = options.data_dependent;
  return BuildReferencePlan(module, build);
}

std::string TwoHeads() { return TwoHeads(1); }

std::string TwoHeads(int profiles) {
  std::vector<ShapeRange> ranges;
  for (int p = 0; p < profiles; ++p) ranges.push_back({{1, 3}, {2, 3}, {16 * (p + 1), 3}});
  return MakeTwoHeads(Dynamic("x", DataType::kFLOAT, ranges));
}

std::string TwoHeadsFixed() { return MakeTwoHeads(Fixed("x", DataType::kFLOAT, {2, 3})); }

std::string Nonzero(DataType dtype) {
  // TensorRT before 10 has no int64, which nonzero gives; 3 is torch's int32.
  return PlanOf("def forward(self, x):\n    return x.nonzero().to(3)\n", {Fixed("x", dtype, {4})},
                {.name = "nonzero", .output_names = {"where"}, .data_dependent = {}});
}

std::string Identity(DataType dtype) {
  return PlanOf("def forward(self, x):\n    return x\n", {Fixed("x", dtype, {3})},
                {.name = "identity", .output_names = {"y"}, .data_dependent = {}});
}

std::string PlanThatWritesToItsInput() {
  torch::jit::Module module("Network");
  module.define("def forward(self, x):\n    y = x.view(3)\n    y.add_(1)\n    return x.unsqueeze_(0)\n");
  Plan plan;
  plan.name = "in_place";
  plan.profile_count = 1;
  plan.inputs = {Fixed("x", DataType::kFLOAT, {3})};
  plan.outputs = {Fixed("output_0", DataType::kFLOAT, {1, 3})};
  plan.module = MakeArchive(module, 1);
  return WritePlan(plan);
}

}  // namespace nacelle::reference
