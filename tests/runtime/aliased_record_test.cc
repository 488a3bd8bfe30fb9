// Records of version 10 that bind outputs to the memory of inputs, with plans that state no aliases themselves.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/record/record.h"
#include "runtime/embed.h"
#include "runtime/engine.h"
#include "runtime/program.h"
#include "tests/runtime/tiny.h"

namespace nacelle::runtime {
namespace {

using record::AliasedIo;
using tensorrt::DataType;
using testing::FailureOf;
using testing::Fixed;
using ::testing::HasSubstr;

const std::vector<AliasedIo> kCache = {{"output_0", "input_0", "user"}};

// The module of a plan whose record has these aliases.
torch::jit::Module WithAliases(std::string plan, const std::vector<AliasedIo>& aliases) {
  EmbedOptions options;
  options.name = "tiny";
  options.abi_version = 10;
  torch::jit::Module module = EmbedEngine(std::move(plan), options);
  ReplaceEngines(module, [&](const EngineSite& site) {
    record::Record record = site.engine()->CompleteRecord();
    record.aliased_io = aliases;
    return c10::make_intrusive<Engine>(std::move(record));
  });
  return module;
}

std::string WhyNotReady(const torch::jit::Module& module) {
  return FindEngines(module).at(0).engine()->why_not_ready();
}

std::string WhyNotReady(std::string plan, const std::vector<AliasedIo>& aliases) {
  return WhyNotReady(WithAliases(std::move(plan), aliases));
}

// (cache, x) -> (the cache with x added to it, what `second` computes)
std::string CachePlan(const std::string& second = "new.sum(dim=1)", std::vector<reference::TensorSpec> inputs = {}) {
  if (inputs.empty()) inputs = {Fixed("input_0", {2, 3}), Fixed("input_1", {2, 3})};
  return testing::MakePlan("def forward(self, cache, x):\n    new = cache + x\n    return new, " + second + "\n",
                           inputs);
}

class KnownKind : public ::testing::TestWithParam<const char*> {};

TEST_P(KnownKind, BindsTheOutputToTheInput) {
  torch::jit::Module module = WithAliases(CachePlan(), {{"output_0", "input_0", GetParam()}});
  EXPECT_EQ(WhyNotReady(module), "");
  const at::Tensor cache = at::zeros({2, 3});
  const at::Tensor x = at::randn({2, 3});
  const auto version = cache._version();
  for (int call = 1; call <= 3; ++call) {
    const auto outputs = module.forward({cache, x}).toTuple();
    EXPECT_TRUE(outputs->elements()[0].toTensor().is_same(cache));
    EXPECT_TRUE(at::allclose(cache, x * call)) << call;
    EXPECT_TRUE(at::allclose(outputs->elements()[1].toTensor(), (x * call).sum(1)));
  }
  EXPECT_EQ(cache._version(), version + 3);  // autograd and torch.compile see the writes
}

INSTANTIATE_TEST_SUITE_P(AliasedRecord, KnownKind, ::testing::Values("kv_cache_update", "user"));

TEST(AliasedRecord, EveryAliasOfSeveralIsBound) {
  const std::string plan = testing::MakePlan("def forward(self, a, b):\n    return a + b, a - b\n",
                                             {Fixed("input_0", {2}), Fixed("input_1", {2})});
  torch::jit::Module module =
      WithAliases(plan, {{"output_0", "input_1", "user"}, {"output_1", "input_0", "kv_cache_update"}});
  const at::Tensor a = at::full({2}, 5.0);
  const at::Tensor b = at::full({2}, 3.0);
  module.forward({a, b});
  EXPECT_TRUE(b.equal(at::full({2}, 8.0)));
  EXPECT_TRUE(a.equal(at::full({2}, 2.0)));
}

// Outputs are computed from the inputs as they were before the call.
TEST(AliasedRecord, AnOutputThatIsAViewOfAnInputKeepsTheFormerValues) {
  for (const char* former : {"cache", "cache.view(6)", "cache[1]", "cache.t()"}) {
    torch::jit::Module module = WithAliases(CachePlan(former), kCache);
    const at::Tensor cache = at::zeros({2, 3});
    const auto outputs = module.forward({cache, at::ones({2, 3})}).toTuple();
    EXPECT_TRUE(cache.equal(at::ones({2, 3}))) << former;
    const at::Tensor second = outputs->elements()[1].toTensor();
    EXPECT_TRUE(second.equal(at::zeros_like(second))) << former;
  }
}

TEST(AliasedRecord, AnOutputMayBeARearrangementOfItsOwnInput) {
  const std::string plan = testing::MakePlan("def forward(self, x):\n    return x.flip(0)\n", {Fixed("input_0", {4})});
  torch::jit::Module flip = WithAliases(plan, kCache);
  const at::Tensor x = at::arange(4, at::kFloat);
  flip.forward({x});
  EXPECT_TRUE(x.equal(at::arange(4, at::kFloat).flip(0)));
  const std::string shifted =
      testing::MakePlan("def forward(self, x):\n    return x.t()\n", {Fixed("input_0", {3, 3})});
  torch::jit::Module transpose = WithAliases(shifted, kCache);
  const at::Tensor square = at::arange(9, at::kFloat).view({3, 3});
  transpose.forward({square});
  EXPECT_TRUE(square.equal(at::arange(9, at::kFloat).view({3, 3}).t()));
}

TEST(AliasedRecord, ShapesThatMoveTogetherAreBound) {
  torch::jit::Module module = WithAliases(
      CachePlan("x", {testing::Batched("input_0", {1, 3}, 1, 4), testing::Batched("input_1", {1, 3}, 1, 4)}), kCache);
  EXPECT_EQ(WhyNotReady(module), "");
  for (const int64_t batch : {1, 4, 2}) {
    const at::Tensor cache = at::zeros({batch, 3});
    module.forward({cache, at::ones({batch, 3})});
    EXPECT_TRUE(cache.equal(at::ones({batch, 3})));
  }
}

TEST(AliasedRecord, ShapesThatDifferInACallAreAnError) {
  torch::jit::Module module = WithAliases(
      CachePlan("x", {testing::Batched("input_0", {1, 3}, 1, 4), testing::Batched("input_1", {1, 3}, 1, 4)}), kCache);
  const at::Tensor cache = at::zeros({1, 3});
  const auto failure = FailureOf([&] { module.forward({cache, at::ones({4, 3})}); });
  EXPECT_EQ(failure.class_name, "torch_nacelle.InputError");
  EXPECT_THAT(failure.message, AllOf(HasSubstr("input \"input_0\" (number 0)"), HasSubstr("has the shape [1, 3]"),
                                     HasSubstr("output \"output_0\""), HasSubstr("[4, 3]")));
  EXPECT_TRUE(cache.equal(at::zeros({1, 3})));
  module.forward({cache, at::ones({1, 3})});  // the engine works on
  EXPECT_TRUE(cache.equal(at::ones({1, 3})));
}

TEST(AliasedRecord, AnInputThatCannotBeWrittenInPlaceIsAnError) {
  torch::jit::Module module = WithAliases(CachePlan(), kCache);
  const at::Tensor x = at::ones({2, 3});
  const auto reason = [&](const at::Tensor& cache) {
    const auto failure = FailureOf([&] { module.forward({cache, x}); });
    EXPECT_EQ(failure.class_name, "torch_nacelle.InputError");
    return failure.message;
  };
  EXPECT_THAT(reason(at::zeros({3, 2}).t()), AllOf(HasSubstr("shares its memory"), HasSubstr("not contiguous")));
  EXPECT_THAT(reason(at::zeros({1, 3}).expand({2, 3})), HasSubstr("not contiguous"));
  EXPECT_THAT(reason(at::_neg_view(at::ones({2, 3}))), AllOf(HasSubstr("input_0"), HasSubstr("negat")));
  EXPECT_THAT(reason(at::_efficientzerotensor({2, 3})), AllOf(HasSubstr("input_0"), HasSubstr("zero")));
}

// A lazy clone shares its memory until one of the two is written.
TEST(AliasedRecord, WritingALazyCloneLeavesItsSourceAsItWas) {
  torch::jit::Module module = WithAliases(CachePlan(), kCache);
  const at::Tensor source = at::zeros({2, 3});
  const at::Tensor cache = at::_lazy_clone(source);
  module.forward({cache, at::ones({2, 3})});
  EXPECT_TRUE(cache.equal(at::ones({2, 3})));
  EXPECT_TRUE(source.equal(at::zeros({2, 3})));
}

TEST(AliasedRecord, NamesThatThePlanLacksAreAnErrorAtSetUp) {
  torch::jit::Module module = testing::Embedded(CachePlan());
  record::Record record = FindEngines(module).at(0).engine()->CompleteRecord();
  record.version = 10;
  record.aliased_io = {{"new", "input_0", "user"}};
  EXPECT_THAT(c10::make_intrusive<Engine>(record)->why_not_ready(),
              AllOf(HasSubstr("aliased_io"), HasSubstr("output \"new\""), HasSubstr("output_0, output_1")));
  record.aliased_io = {{"output_0", "cache", "user"}};
  EXPECT_THAT(c10::make_intrusive<Engine>(record)->why_not_ready(),
              AllOf(HasSubstr("input \"cache\""), HasSubstr("input_0, input_1")));
}

TEST(AliasedRecord, WhatDoesNotFitIsAnErrorAtSetUp) {
  EXPECT_THAT(WhyNotReady(CachePlan(), {{"output_0", "input_0", "in_place"}}),
              AllOf(HasSubstr("\"in_place\""), HasSubstr("kv_cache_update"), HasSubstr("user")));
  EXPECT_THAT(WhyNotReady(CachePlan(), {{"output_1", "input_0", "user"}}),
              AllOf(HasSubstr("output_1"), HasSubstr("[2]"), HasSubstr("[2, 3]")));
  EXPECT_THAT(WhyNotReady(CachePlan("new.int()"), {{"output_1", "input_0", "user"}}),
              AllOf(HasSubstr("output_1"), HasSubstr("int32"), HasSubstr("float32")));
  EXPECT_THAT(WhyNotReady(CachePlan("new * 2.0"), {{"output_0", "input_0", "user"}, {"output_1", "input_0", "user"}}),
              AllOf(HasSubstr("output_0"), HasSubstr("output_1"), HasSubstr("input_0")));
}

TEST(AliasedRecord, AnOutputWhoseShapeFollowsFromValuesIsAnErrorAtSetUp) {
  reference::TensorSpec input = Fixed("input_0", {4, 2}, DataType::kINT64);
  input.shape[0] = -1;
  input.profiles = {{{1, 2}, {4, 2}, {8, 2}}};
  const std::string plan =
      testing::MakePlan("def forward(self, x):\n    return torch.nonzero(x)\n", {input}, {"output_0"});
  EXPECT_THAT(WhyNotReady(plan, kCache), AllOf(HasSubstr("output_0"), HasSubstr("values")));
}

}  // namespace
}  // namespace nacelle::runtime
