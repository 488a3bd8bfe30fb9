#include <ATen/ops/ones.h>
#include <gtest/gtest.h>
#include <torch/version.h>
#include <torch_built.h>

namespace {

TEST(Libtorch, Computes) { EXPECT_EQ(at::ones({2, 3}).sum().item<float>(), 6.0f); }

TEST(Libtorch, IsTheRecordedRelease) {
  EXPECT_EQ(TORCH_VERSION_MAJOR, NACELLE_TORCH_MAJOR);
  EXPECT_EQ(TORCH_VERSION_MINOR, NACELLE_TORCH_MINOR);
  EXPECT_EQ(TORCH_VERSION_PATCH, NACELLE_TORCH_PATCH);
}

}  // namespace
