// Captured CUDA graphs.
#include <ATen/ATen.h>
#include <c10/core/StreamGuard.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/fake_gpu/gpu.h"
#include "tests/fake_gpu/gpu_test.h"
#include "tests/fake_gpu/torch_device.h"
#include "tests/runtime/tiny.h"

namespace nacelle::fake_gpu {
namespace {

namespace tiny = runtime::testing;

using ::testing::HasSubstr;

using Graphs = GpuOrderTest;

TEST_P(Graphs, AReplayComputesWhatTheInputHoldsThen) {
  GpuEngine engine(tiny::AffinePlan());
  at::Tensor x = Made(0, {2, 3});
  at::Tensor y;
  CudaGraph graph;
  ASSERT_TRUE(graph.Capture(StreamFromPool(0), [&] { y = engine(x); }));
  for (const c10::Stream& stream : {DefaultStream(), StreamFromPool(0), StreamFromPool(0)}) {
    const c10::StreamGuard guard(stream);
    for (int i = 1; i <= 3; ++i) {
      x.fill_(i);
      graph.Replay();
      ExpectAffine(y, static_cast<float>(i));
    }
  }
  gpu_.SynchronizeAll();
}

TEST_P(Graphs, ACaptureOnTheStreamOfTheCallsBeforeNeedsNoWait) {
  GpuEngine engine(tiny::AffinePlan());
  const c10::Stream stream = StreamFromPool(0);
  at::Tensor x = Made(1, {2, 3});
  gpu_.SynchronizeAll();
  const c10::StreamGuard guard(stream);
  ExpectAffine(engine(x), 1);
  engine(x);
  at::Tensor y;
  CudaGraph graph;
  ASSERT_TRUE(graph.Capture(stream, [&] { y = engine(x); }));
  x.fill_(5);
  graph.Replay();
  ExpectAffine(y, 5);
}

TEST_P(Graphs, CallsInsideOfAGraphFollowOneAnother) {
  GpuEngine engine(tiny::AffinePlan());
  at::Tensor x = Made(0, {2, 3});
  at::Tensor y;
  CudaGraph graph;
  ASSERT_TRUE(graph.Capture(StreamFromPool(0), [&] { y = engine(engine(engine(x.t().contiguous().t()))).clone(); }));
  for (int i = 1; i <= 3; ++i) {
    x.fill_(i);
    graph.Replay();
    EXPECT_TRUE(at::equal(y.cpu(), at::full({2, 3}, 8 * i + 7, at::kFloat)));
  }
}

TEST_P(Graphs, EachGraphHasAContextThatNoCallDisturbs) {
  GpuEngine engine(tiny::AffinePlan());
  at::Tensor inputs[] = {Made(0, {2, 3}), Made(0, {4, 3})};
  at::Tensor outputs[2];
  CudaGraph graphs[2];
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(graphs[i].Capture(StreamFromPool(0), [&] { outputs[i] = engine(inputs[i]); }));
  }
  EXPECT_EQ(engine.contexts(), 2);
  const c10::Stream streams[] = {StreamFromPool(0), StreamFromPool(0)};
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 2; ++i) {
      const c10::StreamGuard guard(streams[i]);
      inputs[i].fill_(round + 10 * i);
      graphs[i].Replay();
    }
    ExpectAffine(engine(Made(-1, {3, 3})), -1);
    for (int i = 0; i < 2; ++i) {
      const c10::StreamGuard guard(streams[i]);
      ExpectAffine(outputs[i], static_cast<float>(round + 10 * i));
    }
    gpu_.SynchronizeAll();
  }
  EXPECT_EQ(engine.contexts(), 3);
}

TEST_P(Graphs, AGraphThatIsDestroyedGivesItsContextBack) {
  runtime::Settings settings;
  settings.max_contexts = 2;
  GpuEngine engine(tiny::AffinePlan(), kGpu0, settings);
  at::Tensor x = Made(0, {2, 3});
  for (int i = 0; i < 5; ++i) {
    at::Tensor y;
    CudaGraph graph;
    ASSERT_TRUE(graph.Capture(StreamFromPool(0), [&] { y = engine(x); }));
    x.fill_(i);
    graph.Replay();
    ExpectAffine(y, static_cast<float>(i));
    ExpectAffine(engine(x), static_cast<float>(i));
    EXPECT_LE(engine.contexts(), 2);
    graph.Destroy();
    gpu_.SynchronizeAll();
    gpu_.AwaitUserObjects();
  }
}

TEST_P(Graphs, AGraphThatIsDestroyedWithAReplayUnderWayKeepsItsContextUntilThen) {
  gpu_.SetSchedule(Schedule::kLazy);
  runtime::Settings settings;
  settings.max_contexts = 1;
  GpuEngine engine(tiny::AffinePlan(), kGpu0, settings);
  at::Tensor x = Made(1, {2, 3});
  at::Tensor y;
  auto graph = std::make_unique<CudaGraph>();
  ASSERT_TRUE(graph->Capture(StreamFromPool(0), [&] { y = engine(x); }));
  graph->Replay();
  graph.reset();
  const auto failure = tiny::FailureOf([&] { engine(x); });
  EXPECT_THAT(failure.message, HasSubstr("belong to captured CUDA graphs"));
  ExpectAffine(y, 1);
  gpu_.AwaitUserObjects();
  ExpectAffine(engine(x), 1);
}

TEST_P(Graphs, ACaptureThatIsGivenUpGivesTheContextBack) {
  runtime::Settings settings;
  settings.max_contexts = 1;
  GpuEngine engine(tiny::AffinePlan(), kGpu0, settings);
  const at::Tensor x = Made(1, {2, 3});
  for (int i = 0; i < 3; ++i) {
    CudaGraph graph;
    EXPECT_THROW(graph.Capture(StreamFromPool(0),
                               [&] {
                                 engine(x);
                                 throw std::runtime_error("given up");
                               }),
                 std::runtime_error);
    gpu_.AwaitUserObjects();
    ExpectAffine(engine(x), 1);
  }
  // A capture that the driver ends.
  CudaGraph graph;
  EXPECT_FALSE(graph.Capture(StreamFromPool(0), [&] {
    engine(x);
    EXPECT_FALSE(StreamFromPool(0).query());
  }));
  EXPECT_EQ(gpu_.TakeComplaints().size(), 1U);
  gpu_.AwaitUserObjects();
  ExpectAffine(engine(x), 1);
}

TEST_P(Graphs, AContextWithWorkUnderWayIsWaitedForBeforeItBelongsToAGraph) {
  runtime::Settings settings;
  settings.max_contexts = 1;
  GpuEngine engine(tiny::AffinePlan(), kGpu0, settings);
  const c10::Stream other = StreamFromPool(0);
  at::Tensor x = Made(1, {2, 3});
  gpu_.SynchronizeAll();
  at::Tensor y;
  at::Tensor z;
  CudaGraph graph;
  ASSERT_TRUE(graph.Capture(
      StreamFromPool(0),
      [&] {
        // As another thread would: on a stream that is not captured.
        const c10::Stream captured = CurrentStream(0);
        {
          const c10::StreamGuard guard(other);
          z = engine(x);
        }
        const c10::StreamGuard guard(captured);
        y = engine(x);
      },
      2 /* relaxed */));
  graph.Replay();
  ExpectAffine(y, 1);
  const c10::StreamGuard guard(other);
  ExpectAffine(z, 1);
}

TEST_P(Graphs, SharedScratchMemoryIsTheGraphsOwn) {
  MemoryMayStay();
  runtime::Settings settings;
  settings.shared_scratch = true;
  GpuEngine engine(tiny::AffinePlan(), kGpu0, settings);
  const c10::Stream stream = StreamFromPool(0);
  at::Tensor x = Made(0, {2, 3});
  gpu_.SynchronizeAll();
  const c10::StreamGuard guard(stream);
  engine(x);
  at::Tensor y;
  CudaGraph graph;
  ASSERT_TRUE(graph.Capture(stream, [&] { y = engine(x); }));
  engine(x);
  const c10::Stream other = StreamFromPool(0);
  for (int i = 1; i < 4; ++i) {
    x.fill_(i);
    stream.synchronize();
    {
      // The graph beside a call: they have nothing in common but what they read.
      const c10::StreamGuard beside(other);
      graph.Replay();
    }
    const at::Tensor z = engine(x);
    other.synchronize();
    ExpectAffine(y, static_cast<float>(i));
    ExpectAffine(z, static_cast<float>(i));
  }
  gpu_.SynchronizeAll();
  graph.Destroy();
  gpu_.AwaitUserObjects();
  ExpectAffine(engine(x), 3);
}

TEST_P(Graphs, AnOutputWhoseSizeDependsOnValuesCannotBeCaptured) {
  GpuEngine engine(tiny::MakePlan("def forward(self, x):\n    return x[x > 0]\n", {tiny::Fixed("input_0", {6})}));
  const at::Tensor x = Made(1, {6});
  CudaGraph graph;
  std::string message;
  graph.Capture(StreamFromPool(0), [&] { message = tiny::FailureOf([&] { engine(x); }).message; });
  EXPECT_THAT(message, HasSubstr("it failed while a CUDA graph was captured"));
  gpu_.AwaitUserObjects();
  EXPECT_EQ(engine(x).cpu().numel(), 6);
}

NACELLE_IN_EVERY_ORDER(Graphs);

}  // namespace
}  // namespace nacelle::fake_gpu
