// Each wait of a stream for another that the runtime asks for is needed: without it the order checker complains.
#include <ATen/ATen.h>
#include <c10/core/StreamGuard.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/fake_gpu/gpu.h"
#include "tests/fake_gpu/gpu_test.h"
#include "tests/fake_gpu/torch_device.h"
#include "tests/runtime/tiny.h"

namespace nacelle::fake_gpu {
namespace {

namespace tiny = runtime::testing;

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Runs `scenario` without each of its waits in turn, then whole. `scenario` makes all that it uses.
class Waits : public GpuTest {
 protected:
  int CheckEach(const std::function<void()>& scenario) {
    int waits = 0;
    for (;; ++waits) {
      gpu_.DropWaitAfter(waits);
      scenario();
      const bool dropped = gpu_.DroppedWait();
      gpu_.DropWaitAfter(-1);
      gpu_.SynchronizeAll();
      const std::vector<std::string> complaints = gpu_.TakeComplaints();
      if (!dropped) {
        EXPECT_THAT(complaints, IsEmpty());
        return waits;
      }
      EXPECT_THAT(complaints, Contains(testing::AnyOf(HasSubstr("use before a wait"), HasSubstr("freed too early"))))
          << "without wait " << waits;
    }
  }

  static void On(const c10::Stream& stream, const std::function<void()>& body) {
    const c10::StreamGuard guard(stream);
    body();
  }
};

TEST_F(Waits, OfTheSideStreamAndOfItsCaller) {
  EXPECT_EQ(CheckEach([&] {
              GpuEngine engine(tiny::AffinePlan());
              const at::Tensor output = engine(Made(1, {2, 3}));
              output.clone();
            }),
            2);
}

TEST_F(Waits, OfAContextThatChangesItsStream) {
  runtime::Settings settings;
  settings.max_contexts = 1;
  // From the default stream to one of the caller's, to another, and back.
  EXPECT_EQ(
      CheckEach([&] {
        GpuEngine engine(tiny::AffinePlan(), kGpu0, settings);
        std::vector<at::Tensor> kept;
        for (const c10::Stream& stream : {DefaultStream(), StreamFromPool(0), StreamFromPool(0), DefaultStream()}) {
          On(stream, [&] {
            kept.push_back(engine(Made(1, {2, 3})));
            kept.push_back(kept.back().clone());
          });
        }
        gpu_.SynchronizeAll();
      }),
      7);
}

TEST_F(Waits, OfAContextWhoseStreamMayBeGone) {
  runtime::Settings settings;
  settings.max_contexts = 1;
  void* const handle = gpu_.CreateStream(0);
  EXPECT_EQ(CheckEach([&] {
              GpuEngine engine(tiny::AffinePlan(), kGpu0, settings);
              const at::Tensor inputs[] = {Made(1, {2, 3}), Made(1, {2, 3})};
              gpu_.SynchronizeAll();
              std::vector<at::Tensor> kept;
              On(ExternalStream(0, handle), [&] { kept.push_back(engine(inputs[0])); });
              On(StreamFromPool(0), [&] { kept.push_back(engine(inputs[1])); });
              gpu_.SynchronizeAll();
            }),
            1);
  gpu_.DestroyStream(handle);
}

TEST_F(Waits, OfSharedScratchMemory) {
  MemoryMayStay();
  runtime::Settings settings;
  settings.shared_scratch = true;
  EXPECT_EQ(CheckEach([&] {
              GpuEngine first(tiny::AffinePlan(), kGpu0, settings);
              GpuEngine second(tiny::AffinePlan(), kGpu0, settings);
              // Used in between: the second call's wait would do for the first one's output, too.
              const at::Tensor between = first(Made(1, {2, 3})).clone();
              second(between).clone();
            }),
            4);
}

}  // namespace
}  // namespace nacelle::fake_gpu
