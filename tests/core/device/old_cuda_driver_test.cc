// A driver from before CUDA 11.3, which knows no user objects of graphs.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include "core/device/cuda_driver.h"
#include "core/device/cuda_graph.h"

namespace nacelle::device {
namespace {

TEST(OldCudaDriver, IsUsedAndTellsOfNoGraphs) {
  ASSERT_NE(dlopen("./tests/core/device/libfake_old_cuda.so", RTLD_NOW), nullptr) << dlerror();
  EXPECT_TRUE(CudaDriver::Process().available()) << CudaDriver::Process().why_not();
  void* const capturing = reinterpret_cast<void*>(0x1000);
  EXPECT_TRUE(CudaDriver::Process().Capturing(capturing));
  bool called = false;
  EXPECT_FALSE(CallWhenGraphIsGone(capturing, [&] { called = true; }));
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace nacelle::device
