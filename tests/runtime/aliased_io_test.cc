// Engines whose outputs share memory with inputs, with the engine of aliasing_engine.cc.
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

using testing::FailureOf;
using ::testing::HasSubstr;

// (cache, x) -> (the cache with x added to it, the sum of each row of that)
torch::jit::Module Cached() {
  return testing::Embedded(
      testing::MakePlan("def forward(self, cache, x):\n"
                        "    new = cache + x\n"
                        "    return new, new.sum(dim=1)\n",
                        {testing::Fixed("input_0", {2, 3}), testing::Fixed("input_1", {2, 3})}));
}

TEST(AliasedIo, TheOutputIsTheInputThatItShares) {
  torch::jit::Module module = Cached();
  const at::Tensor cache = at::zeros({2, 3});
  const at::Tensor x = at::randn({2, 3});
  for (int call = 1; call <= 3; ++call) {
    const auto outputs = module.forward({cache, x}).toTuple();
    EXPECT_EQ(outputs->elements()[0].toTensor().data_ptr(), cache.data_ptr());
    EXPECT_TRUE(at::allclose(cache, x * call)) << call;
    EXPECT_TRUE(at::allclose(outputs->elements()[1].toTensor(), (x * call).sum(1)));
  }
}

TEST(AliasedIo, EachCallWritesWhereItsOwnInputIs) {
  torch::jit::Module module = Cached();
  const at::Tensor first = at::zeros({2, 3});
  const at::Tensor second = at::ones({2, 3});
  const at::Tensor x = at::randn({2, 3});
  module.forward({first, x});
  module.forward({second, x});
  EXPECT_TRUE(at::allclose(first, x));
  EXPECT_TRUE(at::allclose(second, x + 1));
}

TEST(AliasedIo, OtherOutputsMayShareABlock) {
  torch::jit::Module module = Cached();
  Settings settings;
  settings.pack_outputs = true;
  FindEngines(module).at(0).engine()->Configure(settings);
  const at::Tensor cache = at::zeros({2, 3});
  const auto outputs = module.forward({cache, at::ones({2, 3})}).toTuple();
  EXPECT_EQ(outputs->elements()[0].toTensor().data_ptr(), cache.data_ptr());
  EXPECT_FALSE(outputs->elements()[1].toTensor().storage().is_alias_of(cache.storage()));
}

// Why an engine of the plan cannot run whose record has these aliases.
std::string WhyNotReady(const torch::jit::Module& module, const std::vector<record::AliasedIo>& aliases) {
  record::Record record = FindEngines(module).at(0).engine()->CompleteRecord();
  record.version = 10;
  record.aliased_io = aliases;
  return c10::make_intrusive<Engine>(std::move(record))->why_not_ready();
}

TEST(AliasedIo, ARecordMaySayWhatThePlanSaysAndNothingElse) {
  const torch::jit::Module module = Cached();
  EXPECT_EQ(WhyNotReady(module, {{"output_0", "input_0", "kv_cache_update"}}), "");
  EXPECT_THAT(WhyNotReady(module, {{"output_0", "input_1", "user"}}),
              AllOf(HasSubstr("output \"output_0\""), HasSubstr("input \"input_1\""),
                    HasSubstr("its plan binds that output to input \"input_0\"")));
}

TEST(AliasedIo, ARecordMayNotBindASecondOutputToTheInput) {
  const torch::jit::Module module = testing::Embedded(testing::MakePlan(
      "def forward(self, cache):\n    return cache + 1, cache + 2\n", {testing::Fixed("input_0", {2})}));
  EXPECT_THAT(WhyNotReady(module, {{"output_1", "input_0", "user"}}),
              AllOf(HasSubstr("output \"output_1\""), HasSubstr("output \"output_0\" is bound to the same input")));
}

TEST(AliasedIo, WhatIsOnTheHostCannotBeShared) {
  const torch::jit::Module input = testing::Embedded(testing::MakePlan(
      "def forward(self, x):\n    return x + 1, x + 2\n", {testing::Fixed("on_host", {2})}, {"a", "b"}));
  EXPECT_THAT(WhyNotReady(input, {{"a", "on_host", "user"}}),
              AllOf(HasSubstr("input \"on_host\""), HasSubstr("read on the host")));
  const torch::jit::Module output = testing::Embedded(testing::MakePlan(
      "def forward(self, x):\n    return x + 1, x + 2\n", {testing::Fixed("x", {2})}, {"on_host", "b"}));
  EXPECT_THAT(WhyNotReady(output, {{"on_host", "x", "user"}}),
              AllOf(HasSubstr("output \"on_host\""), HasSubstr("written on the host")));
}

// The memory of a lazily negated tensor does not hold the values that the engine must read.
TEST(AliasedIo, ValuesOnTheHostAreWhatTheTensorMeans) {
  torch::jit::Module module =
      testing::Embedded(testing::MakePlan("def forward(self, x):\n    return x + 1\n",
                                          {testing::Fixed("on_host", {2}, tensorrt::DataType::kINT64)}, {"y"}));
  const at::Tensor x = at::full({2}, 5, at::kLong);
  EXPECT_TRUE(module.forward({at::_neg_view(x)}).toTensor().equal(at::full({2}, -4, at::kLong)));
  EXPECT_TRUE(module.forward({at::_efficientzerotensor({2}, at::kLong)}).toTensor().equal(at::ones({2}, at::kLong)));
  EXPECT_TRUE(
      module.forward({at::full({4}, 7, at::kLong).slice(0, 0, 4, 2)}).toTensor().equal(at::full({2}, 8, at::kLong)));
}

TEST(AliasedIo, ANewRecordSaysWhatThePlanSays) {
  const std::string plan = testing::MakePlan("def forward(self, cache, x):\n    return cache + x\n",
                                             {testing::Fixed("input_0", {2}), testing::Fixed("input_1", {2})});
  for (const int version : {9, 10}) {
    EmbedOptions options;
    options.abi_version = version;
    const torch::jit::Module module = EmbedEngine(plan, options);
    const std::vector<record::AliasedIo> aliases = {{"output_0", "input_0", "kv_cache_update"}};
    EXPECT_EQ(FindEngines(module).at(0).engine()->record().aliased_io,
              version == 10 ? aliases : std::vector<record::AliasedIo>());
  }
}

TEST(AliasedIo, AnInputThatCannotBeWrittenInPlaceIsAnError) {
  torch::jit::Module module = Cached();
  const at::Tensor x = at::randn({2, 3});
  const auto strided = FailureOf([&] { module.forward({at::zeros({3, 2}).t(), x}); });
  EXPECT_EQ(strided.class_name, "torch_nacelle.InputError");
  EXPECT_THAT(strided.message, HasSubstr("shares its memory with an output"));
  EXPECT_THAT(strided.message, HasSubstr("give tensor.contiguous()"));

  // A copy of another dtype would be written instead of the tensor, so the setting does not help.
  Settings settings;
  settings.convert_inputs = true;
  FindEngines(module).at(0).engine()->Configure(settings);
  const auto dtype = FailureOf([&] { module.forward({at::zeros({2, 3}, at::kDouble), x}); });
  EXPECT_EQ(dtype.class_name, "torch_nacelle.InputError");
  EXPECT_THAT(dtype.message, HasSubstr("has dtype float64; wanted float32"));
  EXPECT_THAT(dtype.message, ::testing::Not(HasSubstr("convert_inputs")));
  const at::Tensor cache = at::zeros({2, 3});
  module.forward({cache, x.to(at::kDouble)});
  EXPECT_TRUE(at::allclose(cache, x));
}

}  // namespace
}  // namespace nacelle::runtime
