// A fork before anything of CUDA: the child may use it. A program of its own, since other tests use CUDA first.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/core/in_child.h"
#include "tests/fake_gpu/gpu_test.h"
#include "tests/runtime/tiny.h"

namespace nacelle::fake_gpu {
namespace {

namespace tiny = runtime::testing;

TEST(ForkBeforeCuda, AChildThatLoadsAProgramRunsIt) {
  const auto loads_and_runs = [] {
    GpuEngine engine(tiny::AffinePlan());
    return std::string(at::equal(engine(Made(1, {2, 3})).cpu(), at::full({2, 3}, 3, at::kFloat)) ? "" : "wrong");
  };
  EXPECT_EQ(testing_support::InChild(loads_and_runs), "");
  EXPECT_EQ(testing_support::InChild(loads_and_runs), "");
  EXPECT_EQ(loads_and_runs(), "");
}

}  // namespace
}  // namespace nacelle::fake_gpu
