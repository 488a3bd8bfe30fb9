#include "core/device/cuda_graph.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/device/cuda_driver.h"

namespace nacelle::device {
namespace {

// The streams of the fake driver.
void* const kCapturing = reinterpret_cast<void*>(0x1000);
void* const kIdle = reinterpret_cast<void*>(0x3000);

// With the fake driver in the place of the process's own.
class CallWhenGraphIsGoneTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(library_, nullptr) << dlerror(); }
  void TearDown() override { unsetenv("NACELLE_FAKE_CUDA"); }

  void DestroyGraph() const { reinterpret_cast<void (*)()>(dlsym(library_, "nacelle_fake_destroy_graph"))(); }

 private:
  void* const library_ = dlopen("./tests/core/device/libfake_cuda.so", RTLD_NOW);
};

TEST_F(CallWhenGraphIsGoneTest, CallsOnceTheGraphIsGone) {
  int first = 0;
  int second = 0;
  EXPECT_TRUE(CallWhenGraphIsGone(kCapturing, [&] { ++first; }));
  EXPECT_TRUE(CallWhenGraphIsGone(kCapturing, [&] { ++second; }));
  EXPECT_EQ(first + second, 0);
  DestroyGraph();
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 1);
  DestroyGraph();
  EXPECT_EQ(first + second, 2);
}

TEST_F(CallWhenGraphIsGoneTest, DoesNothingWithoutACapture) {
  bool called = false;
  EXPECT_FALSE(CallWhenGraphIsGone(kIdle, [&] { called = true; }));
  DestroyGraph();
  EXPECT_FALSE(called);
}

TEST_F(CallWhenGraphIsGoneTest, DoesNotCallWhereTheGraphTakesNoObject) {
  setenv("NACELLE_FAKE_CUDA", "full", 1);
  bool called = false;
  EXPECT_FALSE(CallWhenGraphIsGone(kCapturing, [&] { called = true; }));
  DestroyGraph();
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace nacelle::device
