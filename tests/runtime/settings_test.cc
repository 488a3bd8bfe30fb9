// Tests the settings of Engine::Configure, as far as a machine without a GPU can show them.
#include "runtime/settings.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/profiler/stubs/base.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "runtime/engine.h"
#include "runtime/program.h"
#include "tests/runtime/tiny.h"

namespace nacelle::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

void Set(const torch::jit::Module& module, const std::function<void(Settings&)>& change) {
  const auto engine = FindEngines(module).at(0).engine();
  Settings settings = engine->settings();
  change(settings);
  engine->Configure(settings);
}

std::vector<at::Tensor> Call(torch::jit::Module& module, const at::Tensor& x) {
  const auto tuple = module.forward({x}).toTuple();
  std::vector<at::Tensor> outputs;
  for (const c10::IValue& output : tuple->elements()) outputs.push_back(output.toTensor());
  return outputs;
}

// x [1 to 4, 3] -> x + 1, how many of each row are positive (int64), whether each is
std::string ThreeOutputsPlan() {
  return testing::MakePlan(
      "def forward(self, x):\n    positive = x > 0.0\n    return x + 1.0, positive.sum(dim=1), positive\n",
      {testing::Batched("input_0", {1, 3}, 1, 4)});
}

TEST(PackOutputs, TheOutputsOfACallLieInOneBlock) {
  torch::jit::Module module = testing::Embedded(ThreeOutputsPlan());
  Set(module, [](Settings& settings) { settings.pack_outputs = true; });
  for (const int64_t batch : {4, 1, 3, 4}) {
    const at::Tensor x = at::randn({batch, 3});
    const std::vector<at::Tensor> found = Call(module, x);
    EXPECT_TRUE(found[0].equal(x + 1.0)) << batch;
    EXPECT_TRUE(found[1].equal((x > 0.0).sum(1))) << batch;
    EXPECT_TRUE(found[2].equal(x > 0.0)) << batch;
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_TRUE(found[i].is_contiguous());
      EXPECT_TRUE(found[i].storage().is_alias_of(found[0].storage()));
      const auto offset = static_cast<const char*>(found[i].data_ptr()) - static_cast<const char*>(found[0].data_ptr());
      EXPECT_EQ(offset, static_cast<ptrdiff_t>(i) * 256);
    }
    EXPECT_EQ(found[0].storage().nbytes(), 3 * 256);
  }
}

TEST(PackOutputs, CallsDoNotShareABlockAndOneOutputKeepsIt) {
  torch::jit::Module module = testing::Embedded(ThreeOutputsPlan());
  Set(module, [](Settings& settings) { settings.pack_outputs = true; });
  std::vector<at::Tensor> counts;
  std::vector<at::Tensor> wanted;
  for (int call = 0; call < 20; ++call) {
    const at::Tensor x = at::randn({2, 3});
    counts.push_back(Call(module, x)[1]);
    wanted.push_back((x > 0.0).sum(1));
  }
  for (size_t i = 0; i < counts.size(); ++i) {
    EXPECT_TRUE(counts[i].equal(wanted[i])) << i;
    for (size_t j = 0; j < i; ++j) EXPECT_FALSE(counts[i].storage().is_alias_of(counts[j].storage()));
  }
}

TEST(PackOutputs, IsOffUnlessItIsSet) {
  torch::jit::Module module = testing::Embedded(ThreeOutputsPlan());
  const std::vector<at::Tensor> found = Call(module, at::randn({2, 3}));
  EXPECT_FALSE(found[0].storage().is_alias_of(found[1].storage()));
  EXPECT_EQ(found[0].storage().nbytes(), found[0].nbytes());
}

TEST(PackOutputs, ThreadsMayCallAtOnce) {
  torch::jit::Module module = testing::Embedded(ThreeOutputsPlan());
  Set(module, [](Settings& settings) { settings.pack_outputs = true; });
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int call = 0; call < 200; ++call) {
        const at::Tensor x = at::full({1 + (t + call) % 4, 3}, call - 100.0 + t);
        const std::vector<at::Tensor> found = Call(module, x);
        if (!found[0].equal(x + 1.0) || !found[1].equal((x > 0.0).sum(1)) || !found[2].equal(x > 0.0)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

// Writes down the ranges that torch's CUDA library would mark.
class Recorded final : public torch::profiler::impl::ProfilerStubs {
 public:
  void record(c10::DeviceIndex*, torch::profiler::impl::ProfilerVoidEventStub*, int64_t*) const override {}
  float elapsed(const torch::profiler::impl::ProfilerVoidEventStub*,
                const torch::profiler::impl::ProfilerVoidEventStub*) const override {
    return 0;
  }
  void mark(const char*) const override {}
  void rangePush(const char* name) const override { events.emplace_back(name); }
  void rangePop() const override { events.emplace_back("end"); }
  bool enabled() const override { return true; }
  void onEachDevice(std::function<void(int)>) const override {}
  void synchronize() const override {}

  mutable std::vector<std::string> events;
};

TEST(Nvtx, CallsAndTheirPhasesAreMarkedWhereTorchCan) {
  using torch::profiler::impl::cudaStubs;
  torch::jit::Module module = testing::Embedded(testing::AffinePlan(), "net");
  if (!cudaStubs()->enabled()) {  // not with a CUDA build of torch
    try {
      Set(module, [](Settings& settings) { settings.nvtx = true; });
      FAIL() << "nvtx was accepted";
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr("its setting nvtx is on, and this build of torch has no CUDA"));
    }
    EXPECT_TRUE(module.forward({at::ones({1, 3})}).toTensor().equal(at::full({1, 3}, 3.0)));
  }
  static Recorded stubs;  // torch keeps it
  torch::profiler::impl::registerCUDAMethods(&stubs);
  module.forward({at::ones({1, 3})});
  EXPECT_THAT(stubs.events, ElementsAre());

  Set(module, [](Settings& settings) { settings.nvtx = true; });
  EXPECT_TRUE(module.forward({at::ones({1, 3})}).toTensor().equal(at::full({1, 3}, 3.0)));
  EXPECT_THAT(stubs.events,
              ElementsAre("execute_engine net", "inputs", "end", "shapes", "end", "outputs", "end", "stream", "end",
                          "addresses", "end", "enqueue", "end", "results", "end", "end"));

  stubs.events.clear();
  EXPECT_EQ(testing::FailureOf([&] { module.forward({at::ones({5, 3})}); }).class_name, "torch_nacelle.InputError");
  EXPECT_THAT(stubs.events, ElementsAre("execute_engine net", "end"));

  stubs.events.clear();
  Set(module, [](Settings& settings) { settings.nvtx = false; });
  module.forward({at::ones({1, 3})});
  EXPECT_THAT(stubs.events, ElementsAre());
}

TEST(MoveEngines, AllOrNone) {
  torch::jit::Module module = testing::Embedded(testing::AffinePlan(), "net");
  const c10::intrusive_ptr<Engine> before = FindEngines(module).at(0).engine();
  try {
    MoveEngines(module, c10::Device(c10::kCUDA, 0));
    FAIL() << "the reference engine was moved to a GPU";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kDevice);
    EXPECT_THAT(error.what(), HasSubstr("engine \"net\" cannot be moved: it cannot run on cuda:0"));
    EXPECT_THAT(error.what(), HasSubstr("the reference engine, which runs on the CPU"));
  }
  EXPECT_EQ(FindEngines(module).at(0).engine(), before);

  Set(module, [](Settings& settings) { settings.max_contexts = 3; });
  MoveEngines(module, c10::kCPU);
  const c10::intrusive_ptr<Engine> after = FindEngines(module).at(0).engine();
  EXPECT_NE(after, before);
  EXPECT_EQ(after->settings().max_contexts, 3);
  EXPECT_EQ(after->CompleteRecord(), before->CompleteRecord());
  EXPECT_TRUE(module.forward({at::ones({1, 3})}).toTensor().equal(at::full({1, 3}, 3.0)));
}

}  // namespace
}  // namespace nacelle::runtime
