// Helpers for tests of the runtime on the fake GPUs.
#ifndef NACELLE_TESTS_FAKE_GPU_GPU_TEST_H_
#define NACELLE_TESTS_FAKE_GPU_GPU_TEST_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Stream.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/device/device.h"
#include "runtime/engine.h"
#include "runtime/settings.h"
#include "tests/fake_gpu/gpu.h"

namespace nacelle::fake_gpu {

inline const c10::Device kGpu0(c10::kCUDA, 0);
inline const c10::Device kGpu1(c10::kCUDA, 1);

inline c10::Stream DefaultStream(c10::Device device = kGpu0) { return c10::Stream(c10::Stream::DEFAULT, device); }

// The fake GPUs as records name them.
device::Device Recorded(c10::Device device);

// An engine on a fake GPU.
class GpuEngine {
 public:
  // `plan` is one of the reference engine.
  explicit GpuEngine(const std::string& plan, c10::Device device = kGpu0, const runtime::Settings& settings = {},
                     bool hardware_compatible = false);

  std::vector<at::Tensor> Run(const std::vector<at::Tensor>& inputs);
  // Runs an engine with one input and one output.
  at::Tensor operator()(const at::Tensor& input) { return Run({input}).at(0); }

  torch::jit::Module& module() { return *module_; }
  c10::intrusive_ptr<runtime::Engine> engine() const;
  c10::Device device() const;
  int contexts() const;
  void Destroy() { module_.reset(); }

 private:
  std::optional<torch::jit::Module> module_;
};

// A tensor of one value that a kernel writes on the current stream.
at::Tensor Made(float value, at::IntArrayRef sizes, c10::Device device = kGpu0);

// Fails a test that leaves complaints, events or memory behind.
class GpuTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // The runtime keeps shared scratch memory for each stream as long as the process.
  void MemoryMayStay() { memory_may_stay_ = true; }

  Gpu& gpu_ = Gpu::Process();

 private:
  bool memory_may_stay_ = false;
  size_t blocks_ = 0;
  size_t events_ = 0;
};

// Lazily, and at random in three orders.
class GpuOrderTest : public GpuTest, public testing::WithParamInterface<int> {
 protected:
  void SetUp() override;

  // Expects 2 x + 1 of inputs that all are `input`: the numbers of tiny.h's AffinePlan.
  static void ExpectAffine(const at::Tensor& output, float input);
};

#define NACELLE_IN_EVERY_ORDER(test)                                                      \
  INSTANTIATE_TEST_SUITE_P(Orders, test, testing::Range(0, 4), [](const auto& info) {     \
    return info.param == 0 ? std::string("Lazy") : "Random" + std::to_string(info.param); \
  })

}  // namespace nacelle::fake_gpu

#endif  // NACELLE_TESTS_FAKE_GPU_GPU_TEST_H_
