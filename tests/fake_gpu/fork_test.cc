// Engines on a GPU in forked children, where CUDA does not work: they say so, and call nothing of CUDA.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "core/error.h"
#include "runtime/program.h"
#include "runtime/settings.h"
#include "runtime/warm_up.h"
#include "tests/core/in_child.h"
#include "tests/fake_gpu/gpu_test.h"
#include "tests/runtime/tiny.h"

namespace nacelle::fake_gpu {
namespace {

namespace tiny = runtime::testing;

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing_support::InChild;

const auto kTellsOfTheFork = AllOf(HasSubstr("was forked from one that had initialized CUDA"), HasSubstr("\"spawn\""),
                                   HasSubstr("load the program after the fork"));

class Forks : public GpuTest {
 protected:
  // Returns the text of `body` in a child, and the calls of the driver, of TensorRT and of the allocator there.
  template <typename Body>
  std::string InChildWithoutCuda(const Body& body) {
    return InChild([&] {
      gpu_.FailAfter(-1);  // counts from here
      const std::string text = body();
      return gpu_.Calls() == 0 ? text : text + "; calls of CUDA: " + std::to_string(gpu_.Calls());
    });
  }

  // Returns the error of `body` as "class: message".
  template <typename Body>
  static std::string ErrorOf(const Body& body) {
    try {
      const tiny::TorchFailure failure = tiny::FailureOf(body);
      return failure.class_name + ": " + failure.message;
    } catch (const DeviceError& error) {
      return std::string("DeviceError: ") + error.what();
    }
  }
};

TEST_F(Forks, ACallInAChildSaysWhatHappenedAndWhatToDo) {
  GpuEngine engine(tiny::AffinePlan());
  const at::Tensor x = Made(1, {2, 3});
  ASSERT_TRUE(at::equal(engine(x).cpu(), at::full({2, 3}, 3, at::kFloat)));
  gpu_.SynchronizeAll();
  for (int calls : {1, 2}) {  // the same words each time
    const std::string error = InChildWithoutCuda([&] {
      std::string last;
      for (int i = 0; i < calls; ++i) last = ErrorOf([&] { engine(x); });
      return last;
    });
    EXPECT_THAT(error, AllOf(HasSubstr("torch_nacelle.DeviceError: "), HasSubstr("engine \"tiny\" cannot run here"),
                             kTellsOfTheFork, Not(HasSubstr("calls of CUDA"))));
  }
  EXPECT_TRUE(at::equal(engine(x).cpu(), at::full({2, 3}, 3, at::kFloat)));
}

TEST_F(Forks, WhateverIsDoneWithAnEngineInAChild) {
  GpuEngine engine(tiny::AffinePlan());
  engine(Made(1, {2, 3}));
  gpu_.SynchronizeAll();
  const auto all = [&] {
    return ErrorOf([&] { engine.engine()->inputs(); }) + ErrorOf([&] { runtime::WarmUp(engine.module()); }) +
           ErrorOf([&] { GpuEngine another(tiny::AffinePlan(), kGpu1); });
  };
  EXPECT_THAT(InChildWithoutCuda(all), AllOf(kTellsOfTheFork, Not(HasSubstr("calls of CUDA"))));
}

// The parent still has what a child frees, and destructors of TensorRT's objects would call CUDA.
TEST_F(Forks, AnEngineThatIsDestroyedInAChildCallsNothingOfCuda) {
  std::optional<GpuEngine> engine(tiny::AffinePlan());
  (*engine)(Made(1, {2, 3}));
  gpu_.SynchronizeAll();
  EXPECT_EQ(InChildWithoutCuda([&] {
              engine.reset();
              return std::string();
            }),
            "");
  EXPECT_EQ(InChildWithoutCuda([&] {
              runtime::Settings settings;
              settings.max_contexts = 2;
              engine->engine()->Configure(settings);
              engine.reset();
              return std::string();
            }),
            "");
}

TEST_F(Forks, AnEngineOnTheCpuRunsBesideOneThatCannot) {
  GpuEngine on_gpu(tiny::AffinePlan());
  torch::jit::Module on_cpu = tiny::Embedded(tiny::AffinePlan());
  const at::Tensor x = at::ones({2, 3});
  EXPECT_EQ(InChildWithoutCuda([&] {
              return std::string(on_cpu.forward({x}).toTensor().equal(at::full({2, 3}, 3, at::kFloat)) ? "" : "wrong");
            }),
            "");
}

}  // namespace
}  // namespace nacelle::fake_gpu
