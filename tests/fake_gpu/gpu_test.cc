#include "tests/fake_gpu/gpu_test.h"

#include <ATen/ops/full.h>
#include <gmock/gmock.h>

#include <utility>

#include "core/record/record.h"
#include "runtime/embed.h"
#include "runtime/internal/loaded_engine.h"
#include "runtime/program.h"
#include "tests/fake_gpu/gpu_plan.h"
#include "tests/fake_gpu/torch_device.h"

namespace nacelle::fake_gpu {

device::Device Recorded(c10::Device device) {
  if (device.index() == 0) return {0, 8, 6, device::Type::kGpu, "Fake A10"};
  return {1, 9, 0, device::Type::kGpu, "Fake H100"};
}

GpuEngine::GpuEngine(const std::string& plan, c10::Device device, const runtime::Settings& settings,
                     bool hardware_compatible) {
  runtime::EmbedOptions options;
  options.name = "tiny";
  options.device = Recorded(device);
  options.hardware_compatible = hardware_compatible;
  if (hardware_compatible) options.abi_version = record::kNewestVersion;
  module_ = runtime::EmbedEngine(GpuPlan(plan), options);
  engine()->Configure(settings);
}

c10::intrusive_ptr<runtime::Engine> GpuEngine::engine() const { return runtime::FindEngines(*module_).at(0).engine(); }

c10::Device GpuEngine::device() const { return engine()->loaded()->facts().device; }

int GpuEngine::contexts() const { return engine()->loaded()->context_count(); }

std::vector<at::Tensor> GpuEngine::Run(const std::vector<at::Tensor>& inputs) {
  const c10::IValue result = module_->forward({inputs.begin(), inputs.end()});
  if (result.isTensor()) return {result.toTensor()};
  std::vector<at::Tensor> outputs;
  for (const c10::IValue& element : result.toTupleRef().elements()) outputs.push_back(element.toTensor());
  return outputs;
}

at::Tensor Made(float value, at::IntArrayRef sizes, c10::Device device) { return at::full(sizes, value, device); }

void GpuTest::SetUp() {
  gpu_.SetSchedule(Schedule::kLazy);
  gpu_.FailAfter(-1);
  gpu_.DropWaitAfter(-1);
  gpu_.SynchronizeAll();
  gpu_.TakeComplaints();
  blocks_ = gpu_.BlocksInUse();
  events_ = gpu_.LiveEvents();
}

void GpuTest::TearDown() {
  gpu_.FailAfter(-1);
  gpu_.DropWaitAfter(-1);
  gpu_.SynchronizeAll();
  gpu_.AwaitUserObjects();
  EXPECT_THAT(gpu_.TakeComplaints(), testing::IsEmpty());
  if (!memory_may_stay_) {
    EXPECT_EQ(gpu_.BlocksInUse(), blocks_) << "memory is left";
  }
  EXPECT_EQ(gpu_.LiveEvents(), events_) << "events are left";
}

void GpuOrderTest::SetUp() {
  GpuTest::SetUp();
  if (GetParam() != 0) gpu_.SetSchedule(Schedule::kRandom, static_cast<uint64_t>(GetParam()));
}

void GpuOrderTest::ExpectAffine(const at::Tensor& output, float input) {
  EXPECT_TRUE(at::equal(output.cpu(), at::full(output.sizes(), input * 2 + 1, at::kFloat))) << output.cpu();
}

}  // namespace nacelle::fake_gpu
