// Each call of the driver and of TensorRT fails in turn. The caller gets an error that names it, or right numbers;
// after that everything works as before.
#include <ATen/ATen.h>
#include <c10/core/StreamGuard.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <exception>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "core/device/cuda_driver.h"
#include "tests/fake_gpu/gpu.h"
#include "tests/fake_gpu/gpu_test.h"
#include "tests/fake_gpu/torch_device.h"
#include "tests/runtime/tiny.h"

namespace nacelle::fake_gpu {
namespace {

namespace tiny = runtime::testing;

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// The steps of a test. Each may fail; those after it are taken all the same.
using Steps = std::vector<std::function<void()>>;

class Failures : public GpuTest {
 protected:
  // The steps in a thread that has called nothing of CUDA yet. Returns the errors.
  static std::vector<std::string> Take(const Steps& steps) {
    std::vector<std::string> errors;
    std::thread([&] {
      for (const auto& step : steps) {
        try {
          step();
        } catch (const torch::jit::JITException& error) {
          errors.push_back(error.getOriginalMsg().value_or(error.what()));
        } catch (const std::exception& error) {
          errors.push_back(error.what());
        }
      }
    }).join();
    return errors;
  }

  // Takes the steps with call 0 failing, with call 1 and so on, until there is none left to fail; after each, once more
  // with none. Then the same with all later calls failing, too, as on a device that is lost. Returns how many there
  // were.
  int CheckEach(const Steps& steps) {
    const int calls = CheckEach(steps, false);
    CheckEach(steps, true);
    return calls;
  }

  int CheckEach(const Steps& steps, bool for_good) {
    for (int call = 0;; ++call) {
      gpu_.FailAfter(call, for_good);
      const std::vector<std::string> errors = Take(steps);
      const std::string failed = gpu_.FailedCall();
      gpu_.FailAfter(-1);
      gpu_.SynchronizeAll();
      gpu_.AwaitUserObjects();
      const std::string which =
          "call " + std::to_string(call) + ", " + failed + (for_good ? ", and all later ones" : "");
      EXPECT_THAT(gpu_.TakeComplaints(), IsEmpty()) << which;
      if (failed.empty()) {
        EXPECT_THAT(errors, IsEmpty());
        return call;
      }
      for (const std::string& error : errors) {
        EXPECT_THAT(error, AnyOf(HasSubstr(failed), HasSubstr("deserializeCudaEngine"),
                                 HasSubstr("unspecified launch failure"), HasSubstr("out of memory")))
            << which;
        EXPECT_THAT(error, Not(HasSubstr("wrong numbers"))) << which;
      }
      EXPECT_THAT(Take(steps), IsEmpty()) << "after " << which;
      gpu_.SynchronizeAll();
      gpu_.AwaitUserObjects();
      EXPECT_THAT(gpu_.TakeComplaints(), IsEmpty()) << "after " << which;
    }
  }

  static void ExpectAffine(const at::Tensor& output, float input) {
    if (at::equal(output.cpu(), at::full(output.sizes(), input * 2 + 1, at::kFloat))) return;
    throw std::runtime_error("wrong numbers");
  }
};

TEST_F(Failures, OfTheListOfDevices) {
  int usable = 0;
  for (int call = 0;; ++call) {
    gpu_.FailAfter(call);
    device::CudaDriver driver;
    const device::Inventory here = driver.Devices();
    const std::string failed = gpu_.FailedCall();
    if (here.devices.empty()) {
      EXPECT_THAT(here.why_none, HasSubstr(failed)) << failed;
      EXPECT_THAT(here.why_none, HasSubstr("CUDA_ERROR_LAUNCH_FAILED")) << failed;
    } else {
      EXPECT_EQ(here.devices.size(), 2U) << failed;
      ++usable;
    }
    if (failed.empty()) break;
  }
  // The version is for people; without a current device there is one less to prefer.
  EXPECT_GE(usable, 2);
}

TEST_F(Failures, OfACallOnTheDefaultStream) {
  GpuEngine engine(tiny::AffinePlan());
  EXPECT_GE(CheckEach({[&] { ExpectAffine(engine(Made(1, {2, 3})).clone(), 1); },
                       [&] { ExpectAffine(engine(Made(2, {4, 3})).clone(), 2); }}),
            10);
}

TEST_F(Failures, OfANewEngine) {
  EXPECT_GE(CheckEach({[&] {
              GpuEngine engine(tiny::AffinePlan());
              ExpectAffine(engine(Made(1, {2, 3})).clone(), 1);
            }}),
            15);
}

TEST_F(Failures, OfCallsThatChangeTheStream) {
  runtime::Settings settings;
  settings.max_contexts = 1;
  GpuEngine engine(tiny::AffinePlan(), kGpu0, settings);
  void* const handle = gpu_.CreateStream(0);
  Steps steps;
  const c10::Stream streams[] = {ExternalStream(0, handle), StreamFromPool(0), DefaultStream()};
  for (const c10::Stream& stream : streams) {
    steps.push_back([&engine, stream] {
      const c10::StreamGuard guard(stream);
      ExpectAffine(engine(Made(1, {2, 3})).clone(), 1);
    });
  }
  EXPECT_GE(CheckEach(steps), 15);
  engine.Destroy();
  gpu_.DestroyStream(handle);
}

TEST_F(Failures, OfTheOtherDevice) {
  GpuEngine engine(tiny::AffinePlan(), kGpu1);
  EXPECT_GE(CheckEach({[&] { ExpectAffine(engine(Made(1, {2, 3}, kGpu1)).clone(), 1); }}), 6);
  EXPECT_EQ(gpu_.CurrentDevice(), 0);
}

TEST_F(Failures, OfOutputsWhoseSizeDependsOnValues) {
  GpuEngine engine(tiny::MakePlan("def forward(self, x):\n    return x[x > 0]\n", {tiny::Fixed("input_0", {6})}));
  EXPECT_GE(CheckEach({[&] {
              const at::Tensor host = at::arange(-2, 4, at::kFloat);
              if (!at::equal(engine(host.to(kGpu0)).cpu(), at::arange(1, 4, at::kFloat))) {
                throw std::runtime_error("wrong numbers");
              }
            }}),
            6);
}

TEST_F(Failures, OfSharedScratchMemory) {
  MemoryMayStay();
  runtime::Settings settings;
  settings.shared_scratch = true;
  EXPECT_GE(CheckEach({[&] {
              GpuEngine engine(tiny::AffinePlan(), kGpu0, settings);
              ExpectAffine(engine(Made(1, {2, 3})).clone(), 1);
            }}),
            15);
}

TEST_F(Failures, OfTheChoiceOfAProfile) {
  runtime::Settings settings;
  settings.optimization_profile = 1;
  reference::TensorSpec input = tiny::Batched("input_0", {1, 3}, 1, 2);
  input.profiles.push_back({{3, 3}, {4, 3}, {4, 3}});
  const std::string plan = tiny::MakePlan("def forward(self, x):\n    return x * 2.0 + 1.0\n", {input});
  EXPECT_GE(CheckEach({[&] {
              GpuEngine engine(plan, kGpu0, settings);
              ExpectAffine(engine(Made(1, {4, 3})).clone(), 1);
            }}),
            15);
}

TEST_F(Failures, OfACapture) {
  EXPECT_GE(CheckEach({[&] {
              GpuEngine engine(tiny::AffinePlan());
              at::Tensor x = Made(0, {2, 3});
              at::Tensor y;
              CudaGraph graph;
              const c10::Stream stream = StreamFromPool(0);
              gpu_.SynchronizeAll();
              const c10::StreamGuard guard(stream);
              if (!graph.Capture(stream, [&] { y = engine(x); })) throw std::runtime_error("the capture is broken");
              for (int i = 1; i < 3; ++i) {
                x.fill_(i);
                graph.Replay();
                ExpectAffine(y, static_cast<float>(i));
                ExpectAffine(engine(x), static_cast<float>(i));
              }
              if (engine.contexts() != 2) throw std::runtime_error("a call used the graph's context");
              gpu_.SynchronizeAll();
            }}),
            15);
}

TEST_F(Failures, OfTheCaptureMode) {
  ASSERT_TRUE(device::CudaDriver::Process().available());
  gpu_.FailAfter(0);
  {
    const device::RelaxedCapture relaxed;
    EXPECT_EQ(gpu_.FailedCall(), "cuThreadExchangeStreamCaptureMode");
  }
  EXPECT_EQ(gpu_.ExchangeCaptureMode(0), 0);
}

}  // namespace
}  // namespace nacelle::fake_gpu
