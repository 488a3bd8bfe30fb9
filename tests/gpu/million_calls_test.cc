// Eight threads, each on a stream of its own, share one engine with TensorRT 8.5.3.1: random batch sizes, every result
// checked. NACELLE_GPU_CALLS is how many calls there are; a million unless set.
#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/embed.h"
#include "runtime/engine.h"
#include "runtime/internal/loaded_engine.h"
#include "runtime/program.h"

namespace nacelle::runtime {
namespace {

constexpr int kThreads = 8;
constexpr int kLargestBatch = 16;
const c10::Device kGpu(at::kCUDA, 0);

int64_t CallsPerThread() {
  const char* const text = std::getenv("NACELLE_GPU_CALLS");
  return (text == nullptr ? 1'000'000 : std::atoll(text)) / kThreads;
}

torch::jit::Module TwoHeads() {
  std::ifstream file("tests/data/two_heads/two_heads.8profiles.trt8.5.3.1.sm90.plan", std::ios::binary);
  EmbedOptions options;
  options.name = "two_heads";
  return EmbedEngine(std::string(std::istreambuf_iterator<char>(file), {}), options);
}

// An input of each batch size and its results, computed by one call after the other.
struct Case {
  at::Tensor input;
  at::Tensor classes;
  at::Tensor boxes;
};

Case CaseOf(torch::jit::Module& module, int64_t batch) {
  at::Tensor input = at::randn({batch, 3, 32, 32}, at::TensorOptions().device(kGpu));
  const auto outputs = module.forward({input}).toTuple();
  Case result{std::move(input), outputs->elements()[0].toTensor(), outputs->elements()[1].toTensor()};
  c10::impl::VirtualGuardImpl(at::kCUDA).getDefaultStream(kGpu).synchronize();
  return result;
}

// The largest relative error of `calls` calls. It is kept on the device, so that calls follow one another without a
// wait, and looked at now and then.
double WorstOf(torch::jit::Module& module, const std::vector<Case>& cases, int64_t calls, int seed) {
  const c10::DeviceGuard device(kGpu);
  const c10::Stream stream = c10::impl::VirtualGuardImpl(at::kCUDA).getStreamFromGlobalPool(kGpu);
  const c10::StreamGuard guard(stream);
  std::mt19937 random(static_cast<unsigned>(seed));
  at::Tensor worst = at::zeros({}, at::TensorOptions().device(kGpu));
  for (int64_t i = 0; i < calls; ++i) {
    const Case& wanted = cases[random() % cases.size()];
    const auto outputs = module.forward({wanted.input}).toTuple();
    for (const auto& [found, right] : {std::pair(outputs->elements()[0].toTensor(), wanted.classes),
                                       std::pair(outputs->elements()[1].toTensor(), wanted.boxes)}) {
      if (!found.sizes().equals(right.sizes())) return 1e9;
      worst = at::maximum(worst, (found - right).norm() / right.norm());
    }
    if (i % 256 == 255) stream.synchronize();
  }
  return worst.item<double>();
}

TEST(MillionCalls, EveryResultIsRight) {
  torch::jit::Module module = TwoHeads();
  std::vector<Case> cases;
  for (int64_t batch = 1; batch <= kLargestBatch; ++batch) cases.push_back(CaseOf(module, batch));
  std::vector<double> worst(kThreads, 1e9);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] { worst[t] = WorstOf(module, cases, CallsPerThread(), t); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const double error : worst) EXPECT_LT(error, 1e-6);
  const int contexts = FindEngines(module).at(0).engine()->loaded()->context_count();
  EXPECT_GT(contexts, 1);
  EXPECT_LE(contexts, kThreads);
}

}  // namespace
}  // namespace nacelle::runtime
