#include "reference/builder.h"

#include <ATen/Functions.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "reference/archive.h"
#include "reference/plan.h"
#include "tests/core/throws.h"
#include "tests/reference/networks.h"

namespace nacelle::reference {
namespace {

using tensorrt::DataType;
using testing_support::ExpectHas;
using testing_support::MessageOf;

torch::jit::Module ModuleOf(const std::string& forward) {
  torch::jit::Module module("Network");
  module.define(forward);
  return module;
}

BuildOptions Options(std::vector<TensorSpec> inputs) {
  BuildOptions options;
  options.inputs = std::move(inputs);
  return options;
}

Plan Built(const std::string& forward, std::vector<TensorSpec> inputs) {
  return ReadPlan(BuildReferencePlan(ModuleOf(forward), Options(std::move(inputs))));
}

std::string Refusal(const std::string& forward, std::vector<TensorSpec> inputs) {
  return MessageOf<InputError>([&] { Built(forward, std::move(inputs)); });
}

// In the sources, dtypes are torch's numbers: 5 float16, 7 float64.
TEST(Builder, FindsDtypesAndShapes) {
  const Plan plan = Built("def forward(self, x):\n    return x.sum(1), (x > 0), x.to(5)\n",
                          {Dynamic("x", DataType::kFLOAT, {{{1, 3}, {2, 3}, {8, 3}}})});
  ASSERT_EQ(plan.outputs.size(), 3u);
  EXPECT_EQ(plan.outputs[0].name, "output_0");
  EXPECT_EQ(plan.outputs[0].shape, std::vector<int64_t>({-1}));
  EXPECT_EQ(plan.outputs[1].dtype, DataType::kBOOL);
  EXPECT_EQ(plan.outputs[2].dtype, DataType::kHALF);
  EXPECT_EQ(plan.outputs[2].shape, std::vector<int64_t>({-1, 3}));
  EXPECT_FALSE(plan.outputs[0].data_dependent);
}

TEST(Builder, TheArchiveOfAModuleGivesTheSamePlan) {
  const torch::jit::Module module = ModuleOf("def forward(self, x):\n    return x * 2\n");
  const BuildOptions options = Options({Fixed("x", DataType::kFLOAT, {2})});
  EXPECT_EQ(BuildReferencePlan(MakeArchive(module, 1), options), BuildReferencePlan(module, options));
  EXPECT_THAT(MessageOf<PlanError>([&] { BuildReferencePlan(std::string("no archive"), options); }),
              ::testing::HasSubstr("archive of the module does not end as a zip archive"));
}

TEST(Builder, TakesATensorATupleOrAList) {
  const std::vector<TensorSpec> x = {Fixed("x", DataType::kFLOAT, {2})};
  EXPECT_EQ(Built("def forward(self, x):\n    return x\n", x).outputs.size(), 1u);
  EXPECT_EQ(Built("def forward(self, x):\n    return x, x + 1\n", x).outputs.size(), 2u);
  EXPECT_EQ(Built("def forward(self, x):\n    return [x, x, x]\n", x).outputs.size(), 3u);
}

// Equal at minimum, optimum and maximum, and yet not fixed: what lies between tells.
TEST(Builder, LooksBetweenTheEndsOfAProfile) {
  const Plan plan = Built("def forward(self, x):\n    return torch.zeros([x.size(0) % 2 + 1])\n",
                          {Dynamic("x", DataType::kFLOAT, {{{2}, {4}, {8}}})});
  EXPECT_EQ(plan.outputs[0].shape, std::vector<int64_t>({-1}));
}

TEST(Builder, FindsOutputsThatFollowFromValues) {
  const Plan plan = Built("def forward(self, x):\n    return x * 2, x.nonzero(), x[x > 0.5]\n",
                          {Dynamic("x", DataType::kFLOAT, {{{1}, {4}, {8}}})});
  EXPECT_FALSE(plan.outputs[0].data_dependent);
  EXPECT_TRUE(plan.outputs[1].data_dependent);
  EXPECT_EQ(plan.outputs[1].shape, std::vector<int64_t>({-1, 1}));
  EXPECT_TRUE(plan.outputs[2].data_dependent);
}

TEST(Builder, TakesTheCallersWordForThem) {
  BuildOptions options = Options({Fixed("x", DataType::kFLOAT, {4})});
  options.data_dependent = {"output_0"};
  const auto module = ModuleOf("def forward(self, x):\n    return x[x < 2]\n");
  const Plan plan = ReadPlan(BuildReferencePlan(module, options));
  EXPECT_TRUE(plan.outputs[0].data_dependent);
  EXPECT_EQ(plan.outputs[0].shape, std::vector<int64_t>({-1}));
  options.data_dependent = {"other"};
  ExpectHas(MessageOf<InputError>([&] { BuildReferencePlan(module, options); }), "no output has the name \"other\"");
}

constexpr const char* kReshape = R"(
def forward(self, x, target):
    return x.reshape([int(target[0]), int(target[1])]), x * 2
)";

BuildOptions ReshapeOptions(std::vector<std::vector<int64_t>> targets, std::vector<TensorSpec> inputs) {
  BuildOptions options = Options(std::move(inputs));
  for (std::vector<int64_t>& target : targets) options.values.push_back({{"target", std::move(target)}});
  return options;
}

std::vector<TensorSpec> ReshapeInputs(DataType dtype) {
  return {Fixed("x", DataType::kFLOAT, {12}), Fixed("target", dtype, {2})};
}

TEST(Builder, TriesTheValuesThatItIsGiven) {
  for (const DataType dtype : {DataType::kINT32, DataType::kINT64}) {
    const Plan plan = ReadPlan(BuildReferencePlan(
        ModuleOf(kReshape), ReshapeOptions({{3, 4}, {1, 1}, {-1, 2}, {3, 1}, {12, 1}}, ReshapeInputs(dtype))));
    EXPECT_EQ(plan.outputs[0].shape, std::vector<int64_t>({-1, -1}));
    EXPECT_TRUE(plan.outputs[0].data_dependent);
    EXPECT_EQ(plan.outputs[1].shape, std::vector<int64_t>({12}));
    EXPECT_FALSE(plan.outputs[1].data_dependent);
  }
}

TEST(Builder, WhatGivenValuesDoNotShowTheCallerMaySay) {
  BuildOptions options = ReshapeOptions({{3, 4}}, ReshapeInputs(DataType::kINT64));
  EXPECT_EQ(ReadPlan(BuildReferencePlan(ModuleOf(kReshape), options)).outputs[0].shape, std::vector<int64_t>({3, 4}));
  options.data_dependent = {"output_0"};
  EXPECT_EQ(ReadPlan(BuildReferencePlan(ModuleOf(kReshape), options)).outputs[0].shape, std::vector<int64_t>({-1, -1}));
}

TEST(Builder, TheUsualValuesHaveToRun) {
  const BuildOptions options = ReshapeOptions({{1, 1}, {3, 4}}, ReshapeInputs(DataType::kINT64));
  const std::string message = MessageOf<InputError>([&] { BuildReferencePlan(ModuleOf(kReshape), options); });
  ExpectHas(message, "cannot be run at the shapes given");
  ExpectHas(message, "\"target\" [2]");
}

TEST(Builder, ValuesNeedNotGoWithAllShapesOfAProfile) {
  const std::vector<TensorSpec> inputs = {Dynamic("x", DataType::kFLOAT, {{{4}, {12}, {20}}}),
                                          Fixed("target", DataType::kINT64, {2})};
  const Plan plan = ReadPlan(BuildReferencePlan(ModuleOf(kReshape), ReshapeOptions({{3, 4}, {4, 5}, {6, 6}}, inputs)));
  EXPECT_EQ(plan.outputs[0].shape, std::vector<int64_t>({-1, -1}));
  EXPECT_TRUE(plan.outputs[0].data_dependent);
}

TEST(Builder, RefusesValuesOfAnotherNumberOrDtype) {
  const auto refusal = [](const std::vector<int64_t>& target, DataType dtype) {
    return MessageOf<InputError>(
        [&] { BuildReferencePlan(ModuleOf(kReshape), ReshapeOptions({target}, ReshapeInputs(dtype))); });
  };
  ExpectHas(refusal({3, 4, 1}, DataType::kINT64), "\"target\" has 3 values to try; its shape is [2]");
  ExpectHas(refusal({3, 4}, DataType::kFLOAT), "values are for int32 and int64");
}

TEST(Builder, TriesIndicesThatAreThere) {
  const Plan plan = Built("def forward(self, i):\n    return torch.arange(1).index_select(0, i)\n",
                          {Dynamic("i", DataType::kINT64, {{{1}, {2}, {3}}})});
  EXPECT_EQ(plan.outputs[0].dtype, DataType::kINT64);
  EXPECT_FALSE(plan.outputs[0].data_dependent);
}

TEST(Builder, TheSameModuleGivesTheSameBytes) {
  const std::string source = "def forward(self, x):\n    return torch.relu(x) + 1, [x, x][0]\n";
  const BuildOptions options = Options({Dynamic("x", DataType::kFLOAT, {{{1}, {2}, {8}}})});
  const auto module = ModuleOf(source);
  const std::string plan = BuildReferencePlan(module, options);
  EXPECT_EQ(BuildReferencePlan(module, options), plan);
  EXPECT_EQ(BuildReferencePlan(ModuleOf(source), options), plan);
  EXPECT_EQ(BuildReferencePlan(ModuleOf("\n\n" + source), options), plan)
      << "where the source stands is not the plan's";
}

TEST(Builder, WeightsBecomeConstantsAndTheModuleStaysAsItIs) {
  torch::jit::Module module("Network");
  module.register_parameter("weight", at::ones({3}), /*is_buffer=*/false);
  module.register_attribute("training", c10::BoolType::get(), true);
  module.define("def forward(self, x):\n    if self.training:\n        return x\n    return x * self.weight\n");
  const Plan plan = ReadPlan(BuildReferencePlan(module, Options({Fixed("x", DataType::kFLOAT, {3})})));
  EXPECT_EQ(plan.outputs.size(), 1u);
  EXPECT_TRUE(module.is_training());
  EXPECT_TRUE(module.attr("weight").toTensor().equal(at::ones({3})));
}

TEST(Builder, FurtherParametersTakeTheirDefaults) {
  const Plan plan = Built("def forward(self, x, scale: float = 2.0, flip: bool = False):\n    return x * scale\n",
                          {Fixed("x", DataType::kFLOAT, {3})});
  EXPECT_EQ(plan.inputs.size(), 1u);
  ExpectHas(Refusal("def forward(self, x, y):\n    return x\n", {Fixed("x", DataType::kFLOAT, {3})}),
            "parameter \"y\" of forward has no default value");
}

TEST(Builder, RefusesModulesThatCannotBecomeAPlan) {
  const std::vector<TensorSpec> x = {Fixed("x", DataType::kFLOAT, {3})};
  ExpectHas(Refusal("def other(self, x):\n    return x\n", x), "no method forward");
  ExpectHas(Refusal("def forward(self):\n    return torch.ones([1])\n", x), "forward takes 0 inputs; 1 were described");
  ExpectHas(Refusal("def forward(self, x: int):\n    return torch.ones([x])\n", x),
            "parameter \"x\" of forward is int");
  ExpectHas(Refusal("def forward(self, x):\n    return x.to(7)\n", x),
            "output \"output_0\" is Double, which TensorRT lacks");
  ExpectHas(Refusal("def forward(self, x):\n    return x, 1\n", x), "output 1 of the module is Int");
  ExpectHas(Refusal("def forward(self, x):\n    return {\"a\": x}\n", x), "the module returned GenericDict");
  ExpectHas(Refusal("def forward(self, x):\n    return x.view(7)\n", x),
            "the module cannot be run at the shapes given (\"x\" [3])");
  ExpectHas(
      Refusal("def forward(self, x):\n    if bool((x > 0).all()):\n        return x\n    return x.view(3, 1)\n", x),
      "not always of one dtype and rank");
}

TEST(Builder, RefusesStateThatForwardChanges) {
  torch::jit::Module module("Network");
  module.register_attribute("count", c10::IntType::get(), 0);
  module.define("def forward(self, x):\n    self.count = self.count + 1\n    return x * self.count\n");
  ExpectHas(MessageOf<InputError>([&] { BuildReferencePlan(module, Options({Fixed("x", DataType::kFLOAT, {3})})); }),
            "forward changes the attribute \"count\"");
}

// A module with a buffer of three zeros, "state", a list of it, "held", and `forward`.
torch::jit::Module Stateful(const std::string& forward) {
  torch::jit::Module module("Network");
  module.register_buffer("state", at::zeros({3}));
  module.register_attribute("held", c10::ListType::ofTensors(), c10::List<at::Tensor>({at::zeros({3})}));
  module.register_attribute("training", c10::BoolType::get(), true);
  module.define(forward);
  return module;
}

TEST(Builder, RefusesWritesToWhatTheModuleOwns) {
  const BuildOptions options = Options({Fixed("x", DataType::kFLOAT, {3})});
  const auto refusal = [&](const std::string& body) {
    return MessageOf<InputError>([&] { BuildReferencePlan(Stateful("def forward(self, x):\n" + body), options); });
  };
  for (const char* body :
       {"    self.state.add_(x)\n    return x + self.state\n",
        "    y = self.state.view(3)[1:]\n    y.mul_(2)\n    return x + self.state\n",
        "    if bool(x.sum() > 1000):\n        self.state.zero_()\n    return x + self.state\n",
        "    y = x * 2\n    for i in range(int(x[0])):\n        y = self.state\n    y += 1\n    return y\n",
        "    y = [x]\n    y.append(self.state)\n    y[1].add_(1)\n    return y[0] + y[1]\n",
        // Nothing in this call reads what is written last.
        "    y = x + self.state\n    self.state.add_(1)\n    return y\n",
        "    y = x + self.state\n    self.state.add_(1)\n    for i in range(2):\n        y = y * 2\n    return y\n",
        "    y = x + self.state\n    for i in range(2):\n        self.state.add_(1)\n    return y\n",
        "    self.state.view(-1).zero_()\n    return x * 2\n"}) {
    ExpectHas(refusal(body),
              "forward changes the attribute \"state\"; an engine keeps nothing from call to call: pass");
  }
  ExpectHas(refusal("    self.held[0].add_(x)\n    return x + self.held[0]\n"), "the attribute \"held\"");
  ExpectHas(refusal("    self.held.append(x)\n    return x + len(self.held)\n"), "the attribute \"held\"");
  ExpectHas(refusal("    y = torch.dropout(self.state, 0.5, False)\n    y.add_(1)\n    return x + y\n"),
            "forward changes a tensor that the module owns");
}

TEST(Builder, TakesWritesToWhatIsNotTheModules) {
  const BuildOptions options = Options({Fixed("x", DataType::kFLOAT, {3})});
  for (const char* body : {"    if self.training:\n        self.state.add_(1)\n    return x + self.state\n",
                           "    y = x + self.state\n    y.add_(1)\n    y[0] = 4.0\n    return y\n",
                           "    y = self.state.clone()\n    y.add_(x)\n    return y\n",
                           "    y = [self.state]\n    y.append(self.state)\n    return x + torch.stack(y).sum(0)\n"}) {
    EXPECT_FALSE(BuildReferencePlan(Stateful("def forward(self, x):\n" + std::string(body)), options).empty());
  }
}

TEST(Builder, RefusesWritesToAnInput) {
  ExpectHas(Refusal("def forward(self, x):\n    return x.view(3).add_(1)\n", {Fixed("x", DataType::kFLOAT, {3})}),
            "forward changes its input \"x\" in place; an engine only reads its inputs");
}

TEST(Builder, RefusesShapesAtWhichTheModuleFails) {
  const std::string message =
      Refusal("def forward(self, x):\n    return x.view(2, -1)\n", {Dynamic("x", DataType::kFLOAT, {{{1}, {2}, {8}}})});
  ExpectHas(message, "at the minimum of profile 0 (\"x\" [1])");
}

TEST(Builder, RefusesOptionsThatMakeNoPlan) {
  const auto module = ModuleOf("def forward(self, x):\n    return x\n");
  BuildOptions options = Options({Fixed("x", DataType::kINT4, {3})});
  ExpectHas(MessageOf<InputError>([&] { BuildReferencePlan(module, options); }), "input 0 (\"x\") dtype is 9");
  options = Options({Fixed("x", DataType::kFLOAT, {-1})});
  ExpectHas(MessageOf<InputError>([&] { BuildReferencePlan(module, options); }), "number of profiles is 0; wanted 1");
  options = Options({Fixed("x", DataType::kFLOAT, {3})});
  options.output_names = {"a", "b"};
  ExpectHas(MessageOf<InputError>([&] { BuildReferencePlan(module, options); }), "returns 1 tensors; 2 output names");
  options.output_names = {"x"};
  ExpectHas(MessageOf<InputError>([&] { BuildReferencePlan(module, options); }), "\"x\" twice");
}

TEST(Builder, RefusesOperatorsThatReachOutside) {
  const auto refused = [](const std::string& line) {
    const std::string forward = "def forward(self, x):\n    " + line + "\n    return x + 1\n";
    return MessageOf<InputError>([&] { MakeArchive(ModuleOf(forward), 1); });
  };
  ExpectHas(refused("x = x + torch.from_file(\"data\", False, 4)"), "aten::from_file, which reads or writes files");
  ExpectHas(refused("torch.save(x, \"data\")"), "aten::save, which reads or writes files");
  ExpectHas(refused("torch.manual_seed(1)"), "aten::manual_seed, which has effects outside of the engine");
  ExpectHas(refused("x = x + len(\"a\".ljust(x.size(0)))"), "aten::ljust, which has effects");
  // No call takes this branch.
  const std::string off = "def forward(self, x):\n    if 1 > 2:\n        torch.save(x, \"data\")\n    return x + 1\n";
  EXPECT_NO_THROW(MakeArchive(ModuleOf(off), 1));
}

}  // namespace
}  // namespace nacelle::reference
