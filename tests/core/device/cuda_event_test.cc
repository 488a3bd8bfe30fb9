#include "core/device/cuda_event.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "core/error.h"
#include "tests/core/throws.h"

namespace nacelle::device {
namespace {

using testing_support::ExpectHas;
using testing_support::MessageOf;

// The streams of the fake driver.
void* const kCapturing = reinterpret_cast<void*>(0x1000);
void* const kBusy = reinterpret_cast<void*>(0x2000);
void* const kIdle = reinterpret_cast<void*>(0x3000);
void* const kUnknown = reinterpret_cast<void*>(0x4000);

// With the fake driver in the place of the process's own.
class StreamDoneTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(library_, nullptr) << dlerror(); }

  bool CaptureBroken() const { return reinterpret_cast<bool (*)()>(dlsym(library_, "nacelle_fake_capture_broken"))(); }

 private:
  void* const library_ = dlopen("./tests/core/device/libfake_cuda.so", RTLD_NOW);
};

TEST_F(StreamDoneTest, TellsWhetherAStreamHasWork) {
  EXPECT_FALSE(StreamDone(kBusy));
  EXPECT_TRUE(StreamDone(kIdle));
}

TEST_F(StreamDoneTest, DoesNotEndACapture) {
  EXPECT_TRUE(StreamDone(kCapturing));
  EXPECT_FALSE(CaptureBroken());
}

TEST_F(StreamDoneTest, TellsTheDriversReason) {
  ExpectHas(MessageOf<DeviceError>([] { StreamDone(kUnknown); }), "cuStreamQuery: CUDA_ERROR_UNKNOWN");
}

}  // namespace
}  // namespace nacelle::device
