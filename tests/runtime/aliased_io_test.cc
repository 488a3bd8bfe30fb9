// Engines whose outputs share memory with inputs, with the engine of aliasing_engine.cc.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

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
  EXPECT_THAT(dtype.message, HasSubstr("has dtype float64, wanted float32"));
  EXPECT_THAT(dtype.message, ::testing::Not(HasSubstr("convert_inputs")));
  const at::Tensor cache = at::zeros({2, 3});
  module.forward({cache, x.to(at::kDouble)});
  EXPECT_TRUE(at::allclose(cache, x));
}

}  // namespace
}  // namespace nacelle::runtime
