// Several threads that call engines on a GPU at once.
#include <ATen/ATen.h>
#include <c10/core/StreamGuard.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "tests/fake_gpu/gpu.h"
#include "tests/fake_gpu/gpu_test.h"
#include "tests/fake_gpu/torch_device.h"
#include "tests/runtime/tiny.h"

namespace nacelle::fake_gpu {
namespace {

namespace tiny = runtime::testing;

constexpr int kThreads = 4;
constexpr int kCalls = 25;

class GpuThreads : public GpuOrderTest {
 protected:
  static void InThreads(const std::function<void(int)>& body) {
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) threads.emplace_back(body, i);
    for (std::thread& thread : threads) thread.join();
  }

  // Number of calls with a wrong result.
  static int Wrong(GpuEngine& engine, int thread) {
    int wrong = 0;
    for (int call = 0; call < kCalls; ++call) {
      const auto value = static_cast<float>(thread * kCalls + call);
      const at::Tensor output = engine(Made(value, {1 + call % 4, 3}, engine.device())).cpu();
      wrong += at::equal(output, at::full(output.sizes(), value * 2 + 1, at::kFloat)) ? 0 : 1;
    }
    return wrong;
  }
};

TEST_P(GpuThreads, OnStreamsOfTheirOwn) {
  for (const int max_contexts : {1, 2, 64}) {
    runtime::Settings settings;
    settings.max_contexts = max_contexts;
    GpuEngine engine(tiny::AffinePlan(), kGpu0, settings);
    std::atomic<int> wrong = 0;
    InThreads([&](int thread) {
      const c10::StreamGuard guard(StreamFromPool(0));
      wrong += Wrong(engine, thread);
    });
    EXPECT_EQ(wrong, 0);
    EXPECT_LE(engine.contexts(), max_contexts);
  }
}

TEST_P(GpuThreads, OnTheDefaultStream) {
  for (const bool shared_scratch : {false, true}) {
    MemoryMayStay();
    runtime::Settings settings;
    settings.shared_scratch = shared_scratch;
    GpuEngine engine(tiny::AffinePlan(), kGpu0, settings);
    std::atomic<int> wrong = 0;
    InThreads([&](int thread) { wrong += Wrong(engine, thread); });
    EXPECT_EQ(wrong, 0);
  }
}

TEST_P(GpuThreads, OnTwoDevices) {
  GpuEngine engines[] = {GpuEngine(tiny::AffinePlan(), kGpu0), GpuEngine(tiny::AffinePlan(), kGpu1)};
  std::atomic<int> wrong = 0;
  InThreads([&](int thread) { wrong += Wrong(engines[thread % 2], thread); });
  EXPECT_EQ(wrong, 0);
}

TEST_P(GpuThreads, WithSharedScratchMemoryOnTheirOwnStreams) {
  MemoryMayStay();
  runtime::Settings settings;
  settings.shared_scratch = true;
  settings.max_contexts = 2;
  GpuEngine engine(tiny::AffinePlan(), kGpu0, settings);
  std::atomic<int> wrong = 0;
  InThreads([&](int thread) {
    const c10::StreamGuard guard(StreamFromPool(0));
    wrong += Wrong(engine, thread);
  });
  EXPECT_EQ(wrong, 0);
}

NACELLE_IN_EVERY_ORDER(GpuThreads);

}  // namespace
}  // namespace nacelle::fake_gpu
