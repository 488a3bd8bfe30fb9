#include "runtime/embed.h"

#include <ATen/Functions.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/record/record.h"
#include "core/tensorrt/log.h"
#include "reference/builder.h"
#include "runtime/program.h"
#include "tests/runtime/tiny.h"

namespace nacelle::runtime {
namespace {

using testing::AffinePlan;
using testing::Embedded;
using ::testing::HasSubstr;
using testing::TwoOutputsPlan;

std::string GraphText(const torch::jit::Module& module) {
  std::ostringstream text;
  module.get_method("forward").graph()->print(text, /*print_source_locations=*/false);
  return text.str();
}

std::string Saved(const torch::jit::Module& module) {
  std::ostringstream out;
  module.save(out);
  return out.str();
}

// A plan whose module doubles its input.
std::string DoublingPlan() {
  return testing::MakePlan("def forward(self, x):\n    return x * 2.0\n", {testing::Fixed("input_0", {2})});
}

// Counts the plans that the reference engine sets up: it logs a message for each.
class SetUps final : public tensorrt::LogSink {
 public:
  void Log(tensorrt::Severity, const char* text) override {
    count += std::string_view(text).starts_with("reading a plan");
  }

  std::atomic<int> count = 0;
};

std::string MessageOf(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return std::string(ErrorClassName(error.kind())) + ": " + error.what();
  }
  return "no error";
}

TEST(Embed, OneOutputIsReturnedByItself) {
  const std::string graph = GraphText(Embedded(AffinePlan(), "ResNet"));
  EXPECT_THAT(graph, HasSubstr("graph(%self_1 : __torch__.ResNet_trt,\n      %input_0 : Tensor):"));
  EXPECT_THAT(graph, HasSubstr(": __torch__.torch.classes.tensorrt.Engine = prim::GetAttr[name=\"ResNet_trt_engine\"]"
                               "(%self_1)"));
  EXPECT_THAT(graph, HasSubstr(": Tensor[] = prim::ListConstruct(%input_0)"));
  EXPECT_THAT(graph, HasSubstr(": Tensor[] = tensorrt::execute_engine("));
  EXPECT_THAT(graph, HasSubstr(": Tensor = prim::ListUnpack("));
  EXPECT_EQ(graph.find("TupleConstruct"), std::string::npos);
}

TEST(Embed, SetsTheEngineUpOnce) {
  const auto set_ups = std::make_shared<SetUps>();
  tensorrt::SetLogSink(set_ups);
  tensorrt::SetLogLevel("info");
  EmbedOptions newer;
  newer.abi_version = record::kNewestVersion;
  EmbedOptions named;
  named.input_names = {{"input_0"}};
  named.output_names = {{"output_0"}};
  named.hardware_compatible = true;
  named.abi_version = std::nullopt;
  for (const EmbedOptions& options : {EmbedOptions(), newer, named}) {
    set_ups->count = 0;
    torch::jit::Module module = EmbedEngine(DoublingPlan(), options);
    EXPECT_TRUE(module.forward({at::ones({2})}).toTensor().equal(at::full({2}, 2.0)));
    EXPECT_EQ(set_ups->count, 1);
  }
  tensorrt::SetLogLevel("off");
  tensorrt::SetLogSink(nullptr);
}

TEST(Embed, SeveralOutputsAreATuple) {
  const std::string graph = GraphText(Embedded(TwoOutputsPlan()));
  EXPECT_THAT(graph, HasSubstr(": (Tensor, Tensor) = prim::TupleConstruct("));
}

TEST(Embed, ForwardReturnsWhatIsAskedFor) {
  const at::Tensor x = at::ones({2});
  const auto call = [&](const std::string& plan, Returns returns) {
    EmbedOptions options;
    options.returns = returns;
    torch::jit::Module module = EmbedEngine(plan, options);
    return module.forward({x});
  };
  const at::Tensor wanted = call(DoublingPlan(), Returns::kTensor).toTensor();
  const c10::IValue tuple = call(DoublingPlan(), Returns::kTuple);
  ASSERT_TRUE(tuple.isTuple());
  ASSERT_EQ(tuple.toTupleRef().elements().size(), 1U);
  EXPECT_TRUE(tuple.toTupleRef().elements()[0].toTensor().equal(wanted));
  const c10::IValue list = call(DoublingPlan(), Returns::kList);
  ASSERT_TRUE(list.isTensorList());
  ASSERT_EQ(list.toTensorList().size(), 1U);
  EXPECT_TRUE(list.toTensorList().get(0).equal(wanted));
}

TEST(Embed, SeveralOutputsAreNoTensor) {
  EmbedOptions options;
  options.returns = Returns::kTensor;
  EXPECT_THAT(MessageOf([&] { EmbedEngine(TwoOutputsPlan(), options); }),
              AllOf(HasSubstr("InputError"), HasSubstr("has 2 outputs; wanted one")));
  options.returns = Returns::kList;
  EXPECT_THAT(GraphText(EmbedEngine(TwoOutputsPlan(), options)), Not(HasSubstr("ListUnpack")));
}

TEST(Embed, TheSameArgumentsGiveTheSameBytes) {
  const std::string plan = TwoOutputsPlan();
  EXPECT_EQ(plan, TwoOutputsPlan());
  EXPECT_EQ(Saved(Embedded(plan)), Saved(Embedded(plan)));
}

TEST(Embed, ARecordOfEveryVersionHoldsThePlan) {
  const std::string plan = AffinePlan();
  for (int version = record::kOldestVersion; version <= record::kNewestVersion; ++version) {
    EmbedOptions options;
    options.abi_version = version;
    const torch::jit::Module module = EmbedEngine(plan, options);
    const std::vector<EngineSite> sites = FindEngines(module);
    ASSERT_EQ(sites.size(), 1U);
    const record::Record record = sites[0].engine()->CompleteRecord();
    EXPECT_EQ(record.version, version);
    EXPECT_EQ(record.plan, plan);
    EXPECT_EQ(record.input_names, version == 3 ? std::vector<std::string>() : std::vector<std::string>{"input_0"});
    EXPECT_EQ(record.target_platform, version >= 6 ? record::CurrentPlatform() : record::TargetPlatform::kUnknown);
  }
}

TEST(Embed, NamesDecideTheOrder) {
  const std::string plan = testing::MakePlan("def forward(self, a, b):\n    return a - b\n",
                                             {testing::Fixed("left", {2}), testing::Fixed("right", {2})});
  EmbedOptions options;
  options.abi_version = 4;
  options.input_names = {{"right", "left"}};
  torch::jit::Module module = EmbedEngine(plan, options);
  const at::Tensor result = module.forward({at::ones({2}), at::zeros({2})}).toTensor();
  EXPECT_TRUE(result.equal(at::full({2}, -1.0)));
}

TEST(Embed, WhatCannotBeUsedIsNamed) {
  const std::string plan = AffinePlan();
  const auto with = [&](auto change) {
    return MessageOf([&] {
      EmbedOptions options;
      change(options);
      EmbedEngine(plan, options);
    });
  };
  EXPECT_THAT(with([](EmbedOptions& o) { o.name = "two words"; }),
              AllOf(HasSubstr("InputError"), HasSubstr("\"two words\"")));
  EXPECT_THAT(with([](EmbedOptions& o) { o.name = ""; }), HasSubstr("InputError"));
  EXPECT_THAT(with([](EmbedOptions& o) { o.input_names = {{"input_0", "input_1"}}; }),
              AllOf(HasSubstr("InputError"), HasSubstr("input_0, input_1"),
                    HasSubstr("wanted each input of the plan once: input_0")));
  EXPECT_THAT(with([](EmbedOptions& o) { o.abi_version = 11; }), AllOf(HasSubstr("RecordError"), HasSubstr("11")));
  EXPECT_THAT(with([](EmbedOptions& o) { o.hardware_compatible = true; }),
              AllOf(HasSubstr("RecordError"), HasSubstr("hardware_compatible")));
  EXPECT_THAT(MessageOf([] { Embedded("garbage"); }), HasSubstr("PlanError"));
  EXPECT_THAT(MessageOf([] { Embedded(""); }), HasSubstr("PlanError"));
}

TEST(Embed, VersionThreeSaysWhereItWouldLoseTheOrder) {
  const std::string plan = testing::MakePlan("def forward(self, a, b):\n    return a - b\n",
                                             {testing::Fixed("left", {2}), testing::Fixed("right", {2})});
  EmbedOptions options;
  options.input_names = {{"right", "left"}};
  EXPECT_THAT(
      MessageOf([&] { EmbedEngine(plan, options); }),
      AllOf(HasSubstr("RecordError"), HasSubstr("left, right"), HasSubstr("right, left"), HasSubstr("abi_version=4")));
  options.input_names = {{"left", "right"}};
  EXPECT_NO_THROW(EmbedEngine(plan, options));
}

TEST(Embed, TheOldestVersionThatKeepsWhatIsGivenIsTaken) {
  const std::string plan = testing::MakePlan("def forward(self, a, b):\n    return a - b\n",
                                             {testing::Fixed("x_1", {2}), testing::Fixed("x_0", {2})});
  const auto version = [&](auto change) {
    EmbedOptions options;
    options.abi_version = std::nullopt;
    change(options);
    return FindEngines(EmbedEngine(plan, options)).at(0).engine()->record().version;
  };
  EXPECT_EQ(version([](EmbedOptions&) {}), 3);
  EXPECT_EQ(version([](EmbedOptions& o) { o.input_names = {{"x_0", "x_1"}}; }), 3);
  EXPECT_EQ(version([](EmbedOptions& o) { o.input_names = {{"x_1", "x_0"}}; }), 4);
  EXPECT_EQ(version([](EmbedOptions& o) { o.hardware_compatible = true; }), 5);
  EXPECT_EQ(version([](EmbedOptions& o) { o.platform = record::TargetPlatform::kLinuxAarch64; }), 6);
}

TEST(Embed, RecordsSayWhetherAShapeFollowsFromValues) {
  torch::jit::Module found("Found");
  found.define("def forward(self, x):\n    return torch.nonzero(x), x * 2\n");
  reference::BuildOptions build;
  build.name = "found";
  build.inputs = {testing::Batched("input_0", {1, 3}, 1, 4)};
  build.data_dependent = {"output_0"};
  const std::string plan = reference::BuildReferencePlan(found, build);
  for (const int version : {6, 7, 10}) {
    EmbedOptions options;
    options.abi_version = version;
    EXPECT_EQ(FindEngines(EmbedEngine(plan, options)).at(0).engine()->record().requires_output_allocator, version >= 7);
    EXPECT_FALSE(FindEngines(EmbedEngine(AffinePlan(), options)).at(0).engine()->record().requires_output_allocator);
  }
}

TEST(Embed, APlanThatCannotRunHereNeedsNames) {
  std::string plan(64, '\0');
  plan.replace(0, 4, "ftrt");
  plan[24] = 10;
  plan[25] = 3;
  EmbedOptions options;
  options.device = device::Device::Parse("0%9%0%0%NVIDIA H100 80GB HBM3");
  EXPECT_THAT(MessageOf([&] { EmbedEngine(plan, options); }),
              AllOf(HasSubstr("InputError"), HasSubstr("input_names"), HasSubstr("TensorRT 10.3.0.0")));
  options.input_names = {{"x"}};
  options.output_names = {{"a", "b"}};
  options.abi_version = 5;
  const torch::jit::Module module = EmbedEngine(plan, options);
  EXPECT_THAT(GraphText(module), HasSubstr("(Tensor, Tensor)"));
}

}  // namespace
}  // namespace nacelle::runtime
