// Engines on the CPU in forked children: they run, whatever the parent's threads were doing.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "core/text.h"
#include "runtime/engine.h"
#include "runtime/execute.h"
#include "runtime/program.h"
#include "runtime/warm_up.h"
#include "tests/core/in_child.h"
#include "tests/runtime/tiny.h"

namespace nacelle::runtime {
namespace {

using testing_support::InChild;

constexpr int64_t kColumns = 1 << 18;  // so many that torch shares a row's work among threads

// y = 2 x + 1 for x of 1 to 4 long rows.
torch::jit::Module LongRows() {
  return testing::Embedded(testing::MakePlan("def forward(self, x):\n    return x * 2 + 1\n",
                                             {testing::Batched("input_0", {1, kColumns}, 1, 4)}));
}

at::Tensor Rows(int64_t rows) { return at::full({rows, kColumns}, 3.0); }

std::string CheckResult(const at::Tensor& x, const at::Tensor& y) {
  return y.sizes() == x.sizes() && y.min().item<float>() == 7 && y.max().item<float>() == 7 ? "" : "wrong numbers";
}

// Returns an empty text if the program computes what it should.
std::string Check(torch::jit::Module& module, int64_t rows) {
  const at::Tensor x = Rows(rows);
  return CheckResult(x, module.forward({x}).toTensor());
}

// The same without the TorchScript around the engine: torch's interpreter has a lock for each program, which a thread
// of the parent may hold.
std::string Check(Engine& engine, int64_t rows) {
  const at::Tensor x = Rows(rows);
  return CheckResult(x, Execute(engine, {x}).get(0));
}

class Forks : public ::testing::Test {
 protected:
  // Threads of OpenMP also on a machine with one CPU.
  Forks() { at::set_num_threads(4); }
};

TEST_F(Forks, AChildRunsTheEnginesOfItsParent) {
  torch::jit::Module module = LongRows();
  ASSERT_EQ(Check(module, 2), "");
  const auto in_child = [&] { return Check(module, 2) + Check(module, 4); };
  EXPECT_EQ(InChild(in_child), "");
  EXPECT_EQ(InChild([&] { return InChild(in_child) + in_child(); }), "");
  EXPECT_EQ(InChild(in_child), "");
  EXPECT_EQ(Check(module, 3), "");
}

// The child has a team of its own, of as many threads.
TEST_F(Forks, AChildRunsTorchInAsManyThreads) {
  torch::jit::Module module = LongRows();
  ASSERT_EQ(Check(module, 1), "");
  const auto threads = [] {
    const std::filesystem::directory_iterator tasks("/proc/self/task");
    return std::distance(begin(tasks), end(tasks));
  };
  EXPECT_EQ(InChild([&] {
              const auto before = threads();
              const std::string wrong = Check(module, 4);
              return Cat(wrong, before, " before, ", threads(), " after");
            }),
            "1 before, 4 after");
}

TEST_F(Forks, AnyThreadMayForkAndAnyMayCallInTheChild) {
  torch::jit::Module module = LongRows();
  ASSERT_EQ(Check(module, 1), "");
  std::string result = "no result";
  std::thread([&] {
    result = Check(module, 1) + InChild([&] {
               std::string other;
               std::thread([&] { other = Check(module, 2); }).join();
               return other + Check(module, 2);
             });
  }).join();
  EXPECT_EQ(result, "");
}

TEST_F(Forks, AChildMayWarmUpConfigureCopyAndLoad) {
  torch::jit::Module module = LongRows();
  ASSERT_EQ(Check(module, 1), "");
  EXPECT_EQ(InChild([&] {
              WarmUp(module);
              ConfigureEngines(module, [](Settings& settings) { settings.max_contexts = 1; });
              torch::jit::Module copy = module.deepcopy();
              torch::jit::Module another = LongRows();
              return Check(module, 1) + Check(copy, 2) + Check(another, 3);
            }),
            "");
}

// The only execution context of the engine is a thread's that the child does not have.
TEST_F(Forks, AChildDoesNotWaitForThreadsOfItsParent) {
  torch::jit::Module module = LongRows();
  ConfigureEngines(module, [](Settings& settings) { settings.max_contexts = 1; });
  const auto engine = FindEngines(module).front().engine();
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::atomic<int> calls = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      for (int64_t call = i; !stop; ++call, ++calls) wrong += Check(*engine, 1 + call % 4).empty() ? 0 : 1;
    });
  }
  while (calls == 0) std::this_thread::yield();
  for (int fork = 0; fork < 20; ++fork) {
    EXPECT_EQ(InChild([&] { return Check(*engine, 1 + fork % 4); }), "") << fork;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace nacelle::runtime
