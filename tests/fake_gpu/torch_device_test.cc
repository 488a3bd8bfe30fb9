// The fake GPUs as torch sees them, and what they find.
#include "tests/fake_gpu/torch_device.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/fake_gpu/gpu.h"

namespace nacelle::fake_gpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const c10::Device kFirst(c10::kCUDA, 0);
const c10::Device kSecond(c10::kCUDA, 1);

class TorchDevice : public testing::Test {
 protected:
  void SetUp() override { gpu_.SetSchedule(Schedule::kLazy); }
  void TearDown() override {
    gpu_.SynchronizeAll();
    EXPECT_THAT(gpu_.TakeComplaints(), IsEmpty());
  }

  Gpu& gpu_ = Gpu::Process();
};

TEST_F(TorchDevice, TensorsAreOnTheirDevice) {
  for (const c10::Device device : {kFirst, kSecond}) {
    const at::Tensor x = at::ones({2, 3}, device);
    EXPECT_EQ(x.device(), device);
    EXPECT_TRUE(at::equal(x.cpu(), at::ones({2, 3})));
    const at::Tensor y = at::arange(6).to(device).view({2, 3}).t();
    EXPECT_EQ(y.device(), device);
    EXPECT_TRUE(at::equal((y.contiguous() * 2 + y).cpu(), at::arange(6).view({2, 3}).t() * 3));
    EXPECT_EQ(y[2][1].item<int64_t>(), 5);
    EXPECT_TRUE(at::equal(at::cat({y, y}).cpu(), at::cat({y.cpu(), y.cpu()})));
  }
  const at::Tensor moved = at::arange(4, kFirst).to(kSecond);
  EXPECT_EQ(moved.device(), kSecond);
  EXPECT_TRUE(at::equal(moved.cpu(), at::arange(4)));
}

TEST_F(TorchDevice, WorkRunsAsLateAsItCan) {
  const at::Tensor x = at::zeros({4}, kFirst);
  EXPECT_GT(gpu_.Pending(), 0U);
  EXPECT_NE(static_cast<const float*>(x.const_data_ptr())[0], 0);
  CurrentStream(0).synchronize();
  EXPECT_EQ(gpu_.Pending(), 0U);
  EXPECT_EQ(static_cast<const float*>(x.const_data_ptr())[0], 0);
}

TEST_F(TorchDevice, AQueryLetsTimePass) {
  const at::Tensor x = at::zeros({4}, kFirst);
  EXPECT_FALSE(CurrentStream(0).query());
  int queries = 1;
  while (!CurrentStream(0).query()) ++queries;
  EXPECT_LT(queries, 5);
}

TEST_F(TorchDevice, AnEventOrdersStreams) {
  const c10::Stream side = StreamFromPool(0);
  const at::Tensor x = at::ones({4}, kFirst);
  c10::Event event(c10::kCUDA);
  event.record(CurrentStream(0));
  event.block(side);
  at::Tensor y;
  {
    const c10::StreamGuard guard(side);
    y = x.clone();
  }
  side.synchronize();
  EXPECT_EQ(static_cast<const float*>(y.const_data_ptr())[0], 1);
}

TEST_F(TorchDevice, AUseBeforeAWaitIsSeen) {
  const c10::Stream side = StreamFromPool(0);
  const at::Tensor x = at::ones({4}, kFirst);
  at::Tensor y;
  {
    const c10::StreamGuard guard(side);
    y = x.clone();
  }
  EXPECT_THAT(gpu_.TakeComplaints(), ElementsAre(HasSubstr("use before a wait: a copy on stream")));
  // The schedule makes it wrong, too.
  side.synchronize();
  EXPECT_NE(static_cast<const float*>(y.const_data_ptr())[0], 1);
}

TEST_F(TorchDevice, ASynchronizationOrdersStreams) {
  const c10::Stream side = StreamFromPool(0);
  const at::Tensor x = at::ones({4}, kFirst);
  CurrentStream(0).synchronize();
  const c10::StreamGuard guard(side);
  EXPECT_TRUE(at::equal(x.clone().cpu(), at::ones({4})));
}

TEST_F(TorchDevice, MemoryThatIsFreedTooEarlyIsSeen) {
  const c10::Stream side = StreamFromPool(0);
  for (const bool recorded : {true, false}) {
    at::Tensor x = at::ones({4}, kFirst);
    CurrentStream(0).synchronize();
    {
      const c10::StreamGuard guard(side);
      const at::Tensor y = x.clone();
    }
    if (recorded) x.record_stream(side);
    x.reset();
    if (recorded) {
      EXPECT_THAT(gpu_.TakeComplaints(), IsEmpty());
    } else {
      EXPECT_THAT(gpu_.TakeComplaints(), ElementsAre(HasSubstr("freed too early: a copy on stream")));
    }
    gpu_.SynchronizeAll();
  }
}

TEST_F(TorchDevice, MemoryIsReusedOnItsStreamAtOnce) {
  at::Tensor x = at::ones({4}, kFirst);
  const void* const address = x.const_data_ptr();
  x.reset();
  EXPECT_EQ(at::ones({4}, kFirst).const_data_ptr(), address);
  const c10::StreamGuard guard(StreamFromPool(0));
  EXPECT_NE(at::ones({4}, kFirst).const_data_ptr(), address);
}

TEST_F(TorchDevice, MemoryOfARecordedStreamWaitsForIt) {
  const c10::Stream side = StreamFromPool(0);
  at::Tensor x = at::ones({4}, kFirst);
  const void* const address = x.const_data_ptr();
  CurrentStream(0).synchronize();
  {
    const c10::StreamGuard guard(side);
    x.clone();
  }
  x.record_stream(side);
  EXPECT_THAT(gpu_.RecordedStreams(address), ElementsAre(NameOf(side)));
  x.reset();
  const at::Tensor other = at::ones({4}, kFirst);
  EXPECT_NE(other.const_data_ptr(), address);
  side.synchronize();
  EXPECT_EQ(at::ones({4}, kFirst).const_data_ptr(), address);
}

TEST_F(TorchDevice, MemoryOfAnotherDeviceIsSeen) {
  const at::Tensor x = at::ones({4}, kSecond);
  gpu_.SynchronizeAll();
  gpu_.Enqueue({0, nullptr}, {"a kernel", {{x.const_data_ptr(), 16, false}}, {}});
  EXPECT_THAT(gpu_.TakeComplaints(), ElementsAre(HasSubstr("reads memory of GPU 1")));
  gpu_.SynchronizeAll();
}

TEST_F(TorchDevice, GuardsSetDevicesAndStreams) {
  EXPECT_EQ(gpu_.CurrentDevice(), 0);
  {
    const c10::DeviceGuard guard(kSecond);
    EXPECT_EQ(gpu_.CurrentDevice(), 1);
    EXPECT_EQ(at::empty({1}, c10::kCUDA).device(), kSecond);
  }
  EXPECT_EQ(gpu_.CurrentDevice(), 0);
  void* const handle = gpu_.CreateStream(1);
  const c10::Stream external = ExternalStream(1, handle);
  EXPECT_EQ(external.native_handle(), handle);
  {
    const c10::StreamGuard guard(external);
    EXPECT_EQ(CurrentStream(1), external);
    EXPECT_EQ(CurrentStream(0).native_handle(), nullptr);
  }
  EXPECT_EQ(CurrentStream(1).native_handle(), nullptr);
  gpu_.DestroyStream(handle);
}

TEST_F(TorchDevice, AGraphRunsWhatWasCaptured) {
  at::Tensor in = at::zeros({4}, kFirst);
  at::Tensor out;
  CudaGraph graph;
  ASSERT_TRUE(graph.Capture(StreamFromPool(0), [&] { out = in.clone(); }));
  EXPECT_EQ(gpu_.GraphNodes(graph.handle()), 1U);
  for (int i = 1; i <= 3; ++i) {
    in.fill_(i);
    graph.Replay();
    EXPECT_TRUE(at::equal(out.cpu(), at::full({4}, i, at::kFloat)));
  }
}

TEST_F(TorchDevice, AQueryBreaksACapture) {
  const c10::Stream stream = StreamFromPool(0);
  CudaGraph graph;
  EXPECT_FALSE(graph.Capture(stream, [&] { EXPECT_FALSE(StreamFromPool(0).query()); }));
  EXPECT_THAT(gpu_.TakeComplaints(), ElementsAre(HasSubstr("a capture forbids")));
  EXPECT_EQ(graph.handle(), nullptr);
}

TEST_F(TorchDevice, AStreamThatIsNotJoinedFailsACapture) {
  const c10::Stream side = StreamFromPool(0);
  const at::Tensor x = at::ones({4}, kFirst);
  at::Tensor y;
  for (const bool joined : {true, false}) {
    CudaGraph graph;
    const bool captured = graph.Capture(StreamFromPool(0), [&] {
      c10::Event event(c10::kCUDA);
      event.record(CurrentStream(0));
      event.block(side);
      const c10::Stream origin = CurrentStream(0);
      const c10::StreamGuard guard(side);
      y = x.clone();
      c10::Event back(c10::kCUDA);
      back.record(side);
      if (joined) back.block(origin);
    });
    EXPECT_EQ(captured, joined);
  }
}

TEST_F(TorchDevice, EagerAndRandomSchedulesGiveTheSame) {
  for (const Schedule schedule : {Schedule::kEager, Schedule::kRandom}) {
    gpu_.SetSchedule(schedule, 7);
    const at::Tensor x = at::arange(6, kFirst);
    EXPECT_TRUE(at::equal((x.to(kSecond) + 1).cpu(), at::arange(1, 7)));
  }
}

}  // namespace
}  // namespace nacelle::fake_gpu
