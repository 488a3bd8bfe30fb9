// Two GPUs: the choice of one, the current device, programs that move.
#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/StreamGuard.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "core/device/cuda_driver.h"
#include "core/error.h"
#include "runtime/program.h"
#include "tests/core/throws.h"
#include "tests/fake_gpu/gpu.h"
#include "tests/fake_gpu/gpu_test.h"
#include "tests/fake_gpu/torch_device.h"
#include "tests/runtime/tiny.h"

namespace nacelle::fake_gpu {
namespace {

namespace tiny = runtime::testing;

using ::testing::HasSubstr;

using Devices = GpuOrderTest;

TEST_P(Devices, TheDriverListsThem) {
  const device::Inventory here = device::CudaDriver::Process().Devices();
  ASSERT_EQ(here.devices.size(), 2U) << here.why_none;
  EXPECT_EQ(here.devices[0], Recorded(kGpu0));
  EXPECT_EQ(here.devices[1], Recorded(kGpu1));
}

TEST_P(Devices, AnEngineRunsWhereItsComputeCapabilityIs) {
  for (const c10::Device device : {kGpu0, kGpu1}) {
    GpuEngine engine(tiny::AffinePlan(), device);
    EXPECT_EQ(engine.device(), device);
    for (const c10::Stream& stream : {DefaultStream(device), StreamFromPool(device.index())}) {
      const c10::StreamGuard guard(stream);
      const at::Tensor output = engine(Made(2, {2, 3}, device));
      EXPECT_EQ(output.device(), device);
      ExpectAffine(output.clone(), 2);
    }
  }
}

// Whatever device is current: it is the one of the call's streams and memory that counts.
TEST_P(Devices, TheCurrentDeviceStays) {
  for (const c10::Device current : {kGpu0, kGpu1}) {
    const c10::DeviceGuard guard(current);
    {
      GpuEngine engines[] = {GpuEngine(tiny::AffinePlan(), kGpu0), GpuEngine(tiny::AffinePlan(), kGpu1)};
      EXPECT_EQ(gpu_.CurrentDevice(), current.index());
      for (GpuEngine& engine : engines) {
        for (const c10::Stream& stream : {DefaultStream(engine.device()), StreamFromPool(engine.device().index())}) {
          // A guard of the stream would make its device current.
          const c10::StreamGuard on_stream(stream);
          const c10::DeviceGuard back(current);
          ExpectAffine(engine(Made(3, {2, 3}, engine.device())), 3);
          EXPECT_EQ(gpu_.CurrentDevice(), current.index());
        }
      }
    }
    EXPECT_EQ(gpu_.CurrentDevice(), current.index());
  }
}

TEST_P(Devices, EnginesOfBothRunInTurn) {
  GpuEngine first(tiny::AffinePlan(), kGpu0);
  GpuEngine second(tiny::AffinePlan(), kGpu1);
  at::Tensor x = Made(1, {2, 3}, kGpu0);
  for (int i = 0; i < 3; ++i) x = second(first(x).to(kGpu1)).to(kGpu0);
  EXPECT_TRUE(at::equal(x.cpu(), at::full({2, 3}, 127, at::kFloat)));
}

TEST_P(Devices, TensorsOfTheOtherDeviceAreRefused) {
  GpuEngine engine(tiny::AffinePlan(), kGpu0);
  const auto failure = tiny::FailureOf([&] { engine(Made(1, {2, 3}, kGpu1)); });
  EXPECT_EQ(failure.class_name, "torch_nacelle.InputError");
  EXPECT_THAT(failure.message, HasSubstr("is on cuda:1; wanted cuda:0, where the engine runs"));
  const auto on_cpu = tiny::FailureOf([&] { engine(at::ones({2, 3})); });
  EXPECT_THAT(on_cpu.message, HasSubstr("is on cpu; wanted cuda:0, where the engine runs"));

  runtime::Settings settings;
  settings.move_inputs = true;
  engine.engine()->Configure(settings);
  ExpectAffine(engine(Made(1, {2, 3}, kGpu1)), 1);
  ExpectAffine(engine(at::ones({2, 3})), 1);
}

TEST_P(Devices, AProgramMovesToADeviceThatCanRunIt) {
  GpuEngine engine(tiny::AffinePlan(), kGpu0);
  ExpectAffine(engine(Made(1, {2, 3})), 1);
  EXPECT_THAT(testing_support::MessageOf<Error>([&] { runtime::MoveEngines(engine.module(), kGpu1); }),
              HasSubstr("wanted a GPU of compute capability 8.6"));
  ExpectAffine(engine(Made(1, {2, 3})), 1);
  runtime::MoveEngines(engine.module(), kGpu0);
  EXPECT_EQ(engine.device(), kGpu0);
  ExpectAffine(engine(Made(1, {2, 3})), 1);
}

TEST_P(Devices, AHardwareCompatibleProgramMovesToAndFro) {
  GpuEngine engine(tiny::AffinePlan(), kGpu0, {}, /*hardware_compatible=*/true);
  for (const c10::Device device : {kGpu1, kGpu0, kGpu1}) {
    // With work under way on the device that it leaves.
    const at::Tensor before = engine(Made(4, {2, 3}, engine.device()));
    runtime::MoveEngines(engine.module(), device);
    EXPECT_EQ(engine.device(), device);
    EXPECT_EQ(engine.engine()->record().device, Recorded(device));
    ExpectAffine(engine(Made(2, {2, 3}, device)), 2);
    ExpectAffine(before, 4);
  }
}

// A thread that has called nothing of CUDA has no context of the driver's, which the runtime makes current.
TEST_P(Devices, AThreadMayCallAnEngineFirst) {
  for (const c10::Device device : {kGpu0, kGpu1}) {
    GpuEngine engine(tiny::AffinePlan(), device);
    const at::Tensor x = Made(5, {2, 3}, device);
    gpu_.SynchronizeAll();
    at::Tensor output;
    int current = -1;
    std::thread([&] {
      output = engine(x);
      current = gpu_.CurrentDevice();
    }).join();
    gpu_.SynchronizeAll();
    ExpectAffine(output, 5);
    EXPECT_EQ(current, 0);
  }
}

TEST_P(Devices, GraphsOfBoth) {
  for (const c10::Device device : {kGpu0, kGpu1}) {
    GpuEngine engine(tiny::AffinePlan(), device);
    at::Tensor x = Made(0, {2, 3}, device);
    at::Tensor y;
    CudaGraph graph;
    ASSERT_TRUE(graph.Capture(StreamFromPool(device.index()), [&] { y = engine(x); }));
    x.fill_(6);
    graph.Replay();
    ExpectAffine(y, 6);
    gpu_.SynchronizeAll();
  }
}

NACELLE_IN_EVERY_ORDER(Devices);

}  // namespace
}  // namespace nacelle::fake_gpu
