#include "runtime/execute.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "runtime/internal/loaded_engine.h"
#include "runtime/program.h"
#include "tests/runtime/tiny.h"

namespace nacelle::runtime {
namespace {

using testing::FailureOf;
using ::testing::HasSubstr;
using testing::TorchFailure;

c10::intrusive_ptr<Engine> EngineOf(const torch::jit::Module& module) { return FindEngines(module).at(0).engine(); }

class Affine : public ::testing::Test {
 protected:
  // The failure of a call, checked to be the same through TorchScript and through the operator.
  TorchFailure FailureWith(const std::vector<at::Tensor>& inputs) {
    const TorchFailure eager = FailureOf([&] {
      torch::jit::Stack stack;
      stack.emplace_back(c10::List<at::Tensor>(inputs));
      stack.emplace_back(engine_);
      c10::Dispatcher::singleton().findSchemaOrThrow("tensorrt::execute_engine", "").callBoxed(stack);
    });
    if (inputs.size() == 1) {
      const TorchFailure scripted = FailureOf([&] { module_.forward({inputs[0]}); });
      EXPECT_EQ(scripted.class_name, eager.class_name);
      EXPECT_EQ(scripted.message, eager.message);
    }
    return eager;
  }

  torch::jit::Module module_ = testing::Embedded(testing::AffinePlan());
  c10::intrusive_ptr<Engine> engine_ = EngineOf(module_);
};

TEST_F(Affine, ComputesForEveryBatchOfItsProfile) {
  for (int64_t batch = 1; batch <= 4; ++batch) {
    const at::Tensor x = at::randn({batch, 3});
    EXPECT_TRUE(module_.forward({x}).toTensor().equal(x * 2.0 + 1.0)) << batch;
  }
}

TEST_F(Affine, BothNamesOfTheOperatorRun) {
  const at::Tensor x = at::randn({2, 3});
  for (const char* name : {"tensorrt::execute_engine", "trt::execute_engine"}) {
    torch::jit::Stack stack;
    stack.emplace_back(c10::List<at::Tensor>({x}));
    stack.emplace_back(engine_);
    c10::Dispatcher::singleton().findSchemaOrThrow(name, "").callBoxed(stack);
    ASSERT_EQ(stack.size(), 1U);
    EXPECT_TRUE(stack[0].toTensorVector().at(0).equal(x * 2.0 + 1.0)) << name;
  }
}

TEST_F(Affine, OutputsAreNewTensors) {
  const at::Tensor x = at::randn({2, 3});
  const at::Tensor first = module_.forward({x}).toTensor();
  const at::Tensor kept = first.clone();
  module_.forward({at::randn({2, 3})});
  EXPECT_TRUE(first.equal(kept));
}

TEST_F(Affine, NonContiguousInputsAreMadeContiguous) {
  const at::Tensor x = at::randn({3, 4}).t();
  ASSERT_FALSE(x.is_contiguous());
  EXPECT_TRUE(module_.forward({x}).toTensor().equal(x * 2.0 + 1.0));
  const at::Tensor expanded = at::randn({1, 3}).expand({4, 3});
  EXPECT_TRUE(module_.forward({expanded}).toTensor().equal(expanded * 2.0 + 1.0));
}

TEST_F(Affine, LazySignsAndZerosAreApplied) {
  const at::Tensor x = at::randn({2, 3});
  EXPECT_TRUE(module_.forward({at::_neg_view(x)}).toTensor().equal(x * -2.0 + 1.0));
  EXPECT_TRUE(module_.forward({at::_efficientzerotensor({2, 3})}).toTensor().equal(at::ones({2, 3})));
}

TEST_F(Affine, TensorsThatRequireGradAreTaken) {
  const at::Tensor x = at::randn({2, 3}).requires_grad_();
  const at::Tensor y = module_.forward({x}).toTensor();
  EXPECT_TRUE(y.equal(x * 2.0 + 1.0));
  EXPECT_FALSE(y.requires_grad());
}

TEST_F(Affine, AWrongNumberOfInputs) {
  const TorchFailure none = FailureWith({});
  EXPECT_EQ(none.class_name, "torch_nacelle.InputError");
  EXPECT_THAT(none.message, HasSubstr("engine \"tiny\" got 0 inputs; wanted 1: "));
  EXPECT_THAT(FailureWith({at::ones({1, 3}), at::ones({1, 3})}).message,
              HasSubstr("engine \"tiny\" got 2 inputs; wanted 1: input_0: float32"));
}

TEST_F(Affine, AnUndefinedTensor) {
  const TorchFailure failure = FailureWith({at::Tensor()});
  EXPECT_EQ(failure.class_name, "torch_nacelle.InputError");
  EXPECT_THAT(failure.message, HasSubstr("input \"input_0\" (number 0) of engine \"tiny\" is an undefined tensor"));
}

TEST_F(Affine, AnotherDtype) {
  const TorchFailure failure = FailureWith({at::ones({1, 3}, at::kLong)});
  EXPECT_EQ(failure.class_name, "torch_nacelle.InputError");
  EXPECT_THAT(failure.message, HasSubstr("has dtype int64; wanted float32; convert it with .to(torch.float32)"));
}

TEST_F(Affine, AnotherRank) {
  EXPECT_THAT(FailureWith({at::ones({3})}).message, HasSubstr("has 1 dimensions, [3]; wanted 2: [-1, 3]"));
  EXPECT_THAT(FailureWith({at::ones({})}).message, HasSubstr("has 0 dimensions, []; wanted 2"));
}

TEST_F(Affine, ADimensionOutsideTheProfile) {
  const TorchFailure failure = FailureWith({at::ones({5, 3})});
  EXPECT_EQ(failure.class_name, "torch_nacelle.InputError");
  EXPECT_THAT(failure.message,
              AllOf(HasSubstr("\"input_0\""), HasSubstr("shape [5, 3]: dimension 0 is 5; wanted 1 to 4")));
  EXPECT_THAT(FailureWith({at::ones({1, 2})}).message, HasSubstr("dimension 1 is 2; wanted 3"));
  EXPECT_THAT(FailureWith({at::ones({0, 3})}).message, HasSubstr("dimension 0 is 0; wanted 1 to 4"));
}

// A tensor without values cannot be moved to the engine's device.
TEST_F(Affine, TheMetaDevice) {
  EXPECT_THAT(FailureWith({at::ones({1, 3}, at::kMeta)}).message,
              HasSubstr("is on the meta device, whose tensors have no values; wanted a tensor on cpu"));
}

TEST_F(Affine, AnotherLayout) {
  EXPECT_THAT(FailureWith({at::ones({1, 3}).to_sparse()}).message, HasSubstr("has the layout Sparse"));
}

TEST_F(Affine, ACallAfterAFailedOneIsRight) {
  FailureWith({at::ones({5, 3})});
  const at::Tensor x = at::randn({3, 3});
  EXPECT_TRUE(module_.forward({x}).toTensor().equal(x * 2.0 + 1.0));
}

TEST_F(Affine, ThreadsShareTheEngine) {
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t, &wrong] {
      for (int i = 0; i < 200; ++i) {
        const at::Tensor x = at::full({1 + (i + t) % 4, 3}, t * 1000.0 + i);
        if (!module_.forward({x}).toTensor().equal(x * 2.0 + 1.0)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(engine_->loaded()->context_count(), 4);
}

TEST(Execute, SeveralOutputs) {
  torch::jit::Module module = testing::Embedded(testing::TwoOutputsPlan());
  const at::Tensor x = at::randn({4, 3});
  const auto outputs = module.forward({x}).toTuple();
  EXPECT_TRUE(outputs->elements().at(0).toTensor().equal(x + 1.0));
  EXPECT_TRUE(outputs->elements().at(1).toTensor().equal(x.sum(1)));
}

TEST(Execute, ScalarsAndTensorsWithoutElements) {
  torch::jit::Module scalar =
      testing::Embedded(testing::MakePlan("def forward(self, x):\n    return x + 1.0\n", {testing::Fixed("x", {})}));
  EXPECT_TRUE(scalar.forward({at::scalar_tensor(2.0)}).toTensor().equal(at::scalar_tensor(3.0)));
  torch::jit::Module empty = testing::Embedded(testing::MakePlan(
      "def forward(self, x):\n    return x + 1.0, x.sum(0)\n", {testing::Batched("x", {0, 2}, 0, 3)}));
  const auto outputs = empty.forward({at::ones({0, 2})}).toTuple();
  EXPECT_EQ(outputs->elements().at(0).toTensor().sizes(), at::IntArrayRef({0, 2}));
  EXPECT_TRUE(outputs->elements().at(1).toTensor().equal(at::zeros({2})));
}

TEST(Execute, OutputsWhoseShapeDependsOnValues) {
  torch::jit::Module module = testing::Embedded(testing::MakePlan(
      "def forward(self, x):\n    return torch.nonzero(x).int(), x * 2\n", {testing::Fixed("x", {4})}));
  for (const at::Tensor& x : {at::tensor({0.0F, 1.0F, 0.0F, 2.0F}), at::zeros({4}), at::ones({4})}) {
    const auto outputs = module.forward({x}).toTuple();
    EXPECT_TRUE(outputs->elements().at(0).toTensor().equal(at::nonzero(x).to(at::kInt)));
    EXPECT_TRUE(outputs->elements().at(1).toTensor().equal(x * 2));
  }
}

TEST(Execute, TheProfileThatFitsIsTaken) {
  reference::TensorSpec input = testing::Batched("x", {1, 2}, 1, 2);
  input.profiles.push_back({{8, 2}, {8, 2}, {16, 2}});
  torch::jit::Module module =
      testing::Embedded(testing::MakePlan("def forward(self, x):\n    return x * 3\n", {input}));
  for (const int64_t batch : {1, 16, 2, 8}) {
    const at::Tensor x = at::randn({batch, 2});
    EXPECT_TRUE(module.forward({x}).toTensor().equal(x * 3)) << batch;
  }
  const TorchFailure failure = FailureOf([&] { module.forward({at::ones({4, 2})}); });
  EXPECT_THAT(failure.message, AllOf(HasSubstr("wanted 1 to 2 (optimization profile 0)"),
                                     HasSubstr("wanted 8 to 16 (optimization profile 1)")));
}

TEST(Execute, AFailureInsideTheEngineIsAnError) {
  torch::jit::Module module = testing::Embedded(
      testing::MakePlan("def forward(self, x):\n    assert bool((x < 5).all()), 'too large'\n    return x * 1\n",
                        {testing::Fixed("x", {2})}));
  const TorchFailure failure = FailureOf([&] { module.forward({at::full({2}, 6.0)}); });
  EXPECT_EQ(failure.class_name, "torch_nacelle.ExecutionError");
  EXPECT_THAT(failure.message, AllOf(HasSubstr("engine \"tiny\""), HasSubstr("too large")));
  EXPECT_TRUE(module.forward({at::ones({2})}).toTensor().equal(at::ones({2})));
}

}  // namespace
}  // namespace nacelle::runtime
