// Engines and threads: many threads on one engine, an engine for each thread, and engines that come and go while others
// run. Every result is checked. (What ThreadSanitizer can see is in lease_pool_test and in tests/core.)
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/serialization/import.h>

#include <atomic>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "runtime/engine.h"
#include "runtime/internal/loaded_engine.h"
#include "runtime/program.h"
#include "tests/runtime/tiny.h"

namespace nacelle::runtime {
namespace {

using testing::FailureOf;

constexpr int kThreads = 8;
constexpr int kCalls = 100;

// Runs work(0) to work(count - 1) at once; each gives how many of its results were wrong.
int WrongInThreads(int count, const std::function<int(int)>& work) {
  std::atomic<int> wrong = 0;
  std::atomic<int> waiting = count;
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      for (--waiting; waiting > 0;) std::this_thread::yield();
      wrong += work(i);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return wrong;
}

// A value that no other thread and call have, in each of `batch` rows of three.
at::Tensor Input(int thread, int call, int64_t batch) { return at::full({batch, 3}, thread * 1000.0 + call); }

// y = factor x for x of shape [1 to 4, 3].
std::string ScalePlan(int factor) {
  return testing::MakePlan("def forward(self, x):\n    return x * " + std::to_string(factor) + "\n",
                           {testing::Batched("input_0", {1, 3}, 1, 4)});
}

int WrongScales(torch::jit::Module& module, int factor, int thread, int calls) {
  int wrong = 0;
  for (int i = 0; i < calls; ++i) {
    const at::Tensor x = Input(thread, i, 1 + (thread + i) % 4);
    wrong += module.forward({x}).toTensor().equal(x * factor) ? 0 : 1;
  }
  return wrong;
}

std::string Saved(const torch::jit::Module& module) {
  std::ostringstream stream;
  module.save(stream);
  return stream.str();
}

torch::jit::Module Load(const std::string& program) {
  std::istringstream stream(program);
  return torch::jit::load(stream);
}

TEST(Threads, ShareAnEngineWithSeveralOutputs) {
  torch::jit::Module module = testing::Embedded(testing::TwoOutputsPlan());
  EXPECT_EQ(0, WrongInThreads(kThreads, [&](int thread) {
              int wrong = 0;
              for (int i = 0; i < kCalls; ++i) {
                const at::Tensor x = Input(thread, i, 1 + i % 4);
                const auto outputs = module.forward({x}).toTuple();
                const bool right = outputs->elements().at(0).toTensor().equal(x + 1.0) &&
                                   outputs->elements().at(1).toTensor().equal(x.sum(1));
                wrong += right ? 0 : 1;
              }
              return wrong;
            }));
}

TEST(Threads, ShareAnEngineWhoseOutputsDependOnValues) {
  torch::jit::Module module = testing::Embedded(testing::MakePlan(
      "def forward(self, x):\n    return torch.nonzero(x).int(), x * 2\n", {testing::Fixed("x", {8})}));
  EXPECT_EQ(0, WrongInThreads(kThreads, [&](int thread) {
              int wrong = 0;
              for (int i = 0; i < kCalls; ++i) {
                const at::Tensor x = (at::arange(8) % (1 + (thread + i) % 4)).to(at::kFloat);
                const auto outputs = module.forward({x}).toTuple();
                const bool right = outputs->elements().at(0).toTensor().equal(at::nonzero(x).to(at::kInt)) &&
                                   outputs->elements().at(1).toTensor().equal(x * 2);
                wrong += right ? 0 : 1;
              }
              return wrong;
            }));
}

TEST(Threads, UseBothProfilesOfAnEngine) {
  reference::TensorSpec input = testing::Batched("x", {1, 3}, 1, 2);
  input.profiles.push_back({{8, 3}, {8, 3}, {16, 3}});
  torch::jit::Module module =
      testing::Embedded(testing::MakePlan("def forward(self, x):\n    return x * 3\n", {input}));
  EXPECT_EQ(0, WrongInThreads(kThreads, [&](int thread) {
              int wrong = 0;
              for (int i = 0; i < kCalls; ++i) {
                const at::Tensor x = Input(thread, i, (thread + i) % 2 == 0 ? 2 : 8 + i % 9);
                wrong += module.forward({x}).toTensor().equal(x * 3) ? 0 : 1;
              }
              return wrong;
            }));
}

// Calls that are refused, and calls that fail inside the engine, between calls that succeed.
TEST(Threads, FailuresOfSomeDoNotTouchOthers) {
  torch::jit::Module module = testing::Embedded(
      testing::MakePlan("def forward(self, x):\n    assert bool((x >= 0).all()), 'negative'\n    return x * 2\n",
                        {testing::Batched("input_0", {1, 3}, 1, 4)}));
  EXPECT_EQ(0, WrongInThreads(kThreads, [&](int thread) {
              if (thread % 2 == 0) return WrongScales(module, 2, thread, kCalls);
              int wrong = 0;
              for (int i = 0; i < kCalls; ++i) {
                const auto refused = FailureOf([&] { module.forward({at::ones({5, 3})}); });
                const auto failed = FailureOf([&] { module.forward({at::full({1, 3}, -1.0)}); });
                const bool right = refused.class_name == "torch_nacelle.InputError" &&
                                   failed.class_name == "torch_nacelle.ExecutionError" &&
                                   failed.message.find("negative") != std::string::npos;
                wrong += right ? 0 : 1;
              }
              return wrong;
            }));
}

TEST(Threads, EachHasAnEngine) {
  EXPECT_EQ(0, WrongInThreads(kThreads, [](int thread) {
              torch::jit::Module module = testing::Embedded(ScalePlan(thread + 2));
              return WrongScales(module, thread + 2, thread, kCalls);
            }));
}

TEST(Threads, LoadAndDestroyWhileOthersRun) {
  torch::jit::Module shared = testing::Embedded(ScalePlan(2));
  const std::string program = Saved(testing::Embedded(ScalePlan(7)));
  EXPECT_EQ(0, WrongInThreads(kThreads, [&](int thread) {
              if (thread % 2 == 0) return WrongScales(shared, 2, thread, 10 * kCalls);
              int wrong = 0;
              for (int i = 0; i < kCalls / 4; ++i) {
                torch::jit::Module own = Load(program);
                wrong += WrongScales(own, 7, thread, 4);
              }
              return wrong;
            }));
}

// Each drops its module while others, which share the engine, still run: the last of them destroys it.
TEST(Threads, TheLastOneDestroysTheEngine) {
  for (int round = 0; round < 20; ++round) {
    std::vector<std::optional<torch::jit::Module>> modules(kThreads, testing::Embedded(ScalePlan(3)));
    const c10::weak_intrusive_ptr<Engine> engine(FindEngines(*modules[0]).at(0).engine());
    EXPECT_EQ(0, WrongInThreads(kThreads, [&](int thread) {
                auto& module = modules[static_cast<size_t>(thread)];
                const int wrong = WrongScales(*module, 3, thread, 1 + thread);
                module.reset();
                return wrong;
              }));
    EXPECT_TRUE(engine.expired());
  }
}

// An engine that was loaded for inspection sets itself up at its first call, once, whichever thread comes first.
TEST(Threads, SetUpAnEngineOnce) {
  const std::string program = Saved(testing::Embedded(ScalePlan(5)));
  for (int round = 0; round < 20; ++round) {
    torch::jit::Module module = [&] {
      const InspectOnly inspect;
      return Load(program);
    }();
    const c10::intrusive_ptr<Engine> engine = FindEngines(module).at(0).engine();
    std::vector<const LoadedEngine*> loaded(kThreads);
    EXPECT_EQ(0, WrongInThreads(kThreads, [&](int thread) {
                loaded[static_cast<size_t>(thread)] = &*engine->loaded();
                return WrongScales(module, 5, thread, 4);
              }));
    for (const LoadedEngine* other : loaded) EXPECT_EQ(other, loaded[0]);
  }
}

// Settings that change while others call: each call has the former or the new ones, whole.
TEST(Threads, ConfigureWhileOthersCall) {
  torch::jit::Module module = testing::Embedded(ScalePlan(4));
  const c10::intrusive_ptr<Engine> engine = FindEngines(module).at(0).engine();
  EXPECT_EQ(0, WrongInThreads(kThreads, [&](int thread) {
              if (thread > 1) return WrongScales(module, 4, thread, 10 * kCalls);
              int wrong = 0;
              for (int i = 0; i < kCalls; ++i) {
                Settings settings = engine->settings();
                settings.max_contexts = 1 + i % 7;
                settings.pack_outputs = i % 2 == 0;
                engine->Configure(settings);
                wrong += engine->inputs().size() == 1 && !engine->Describe().empty() ? 0 : 1;
              }
              return wrong;
            }));
}

}  // namespace
}  // namespace nacelle::runtime
