// Numbers, order and the lifetime of memory, on the streams that a program may use.
#include <ATen/ATen.h>
#include <c10/core/StreamGuard.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/internal/loaded_engine.h"
#include "tests/fake_gpu/gpu.h"
#include "tests/fake_gpu/gpu_test.h"
#include "tests/fake_gpu/torch_device.h"
#include "tests/runtime/tiny.h"

namespace nacelle::fake_gpu {
namespace {

namespace tiny = runtime::testing;

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Streams : public GpuOrderTest {
 protected:
  static void ExpectAffine(const at::Tensor& output, float input) {
    EXPECT_TRUE(at::equal(output.cpu(), at::full(output.sizes(), input * 2 + 1, at::kFloat))) << output.cpu();
  }
};

TEST_P(Streams, ACallComesBetweenWhatMakesItsInputAndWhatUsesItsOutput) {
  GpuEngine engine(tiny::AffinePlan());
  EXPECT_EQ(engine.device(), kGpu0);
  void* const handle = gpu_.CreateStream(0);
  for (const c10::Stream& stream : {DefaultStream(), StreamFromPool(0), ExternalStream(0, handle)}) {
    const c10::StreamGuard guard(stream);
    for (int i = 0; i < 4; ++i) {
      const at::Tensor output = engine(Made(static_cast<float>(i), {2, 3}));
      ExpectAffine(output.clone(), static_cast<float>(i));
    }
  }
  engine.Destroy();
  gpu_.DestroyStream(handle);
}

TEST_P(Streams, CallsFollowOneAnotherWithoutAWaitOfTheHost) {
  GpuEngine engine(tiny::AffinePlan());
  for (const c10::Stream& stream : {DefaultStream(), StreamFromPool(0)}) {
    const c10::StreamGuard guard(stream);
    at::Tensor x = Made(1, {2, 3});
    for (int i = 0; i < 5; ++i) x = engine(x);
    EXPECT_TRUE(at::equal(x.cpu(), at::full({2, 3}, 63, at::kFloat)));
  }
}

TEST_P(Streams, AnInputMayBeFreedAndItsMemoryUsedAgainAtOnce) {
  GpuEngine engine(tiny::AffinePlan());
  for (const c10::Stream& stream : {DefaultStream(), StreamFromPool(0)}) {
    const c10::StreamGuard guard(stream);
    at::Tensor x = Made(3, {2, 3});
    const void* const address = x.const_data_ptr();
    const at::Tensor output = engine(x);
    x.reset();
    const at::Tensor next = Made(9, {2, 3});
    EXPECT_EQ(next.const_data_ptr(), address);
    ExpectAffine(output, 3);
  }
}

TEST_P(Streams, AnOutputMayBeDroppedAndItsMemoryUsedAgainAtOnce) {
  GpuEngine engine(tiny::AffinePlan());
  for (const c10::Stream& stream : {DefaultStream(), StreamFromPool(0)}) {
    const c10::StreamGuard guard(stream);
    at::Tensor output = engine(Made(3, {2, 3}));
    const void* const address = output.const_data_ptr();
    output.reset();
    const at::Tensor next = Made(9, {2, 3});
    EXPECT_EQ(next.const_data_ptr(), address);
    EXPECT_TRUE(at::equal(next.cpu(), at::full({2, 3}, 9, at::kFloat)));
  }
}

TEST_P(Streams, CopiesOfInputsLiveAsLongAsTheyAreRead) {
  GpuEngine engine(tiny::AffinePlan());
  for (const c10::Stream& stream : {DefaultStream(), StreamFromPool(0)}) {
    const c10::StreamGuard guard(stream);
    const at::Tensor base = at::arange(12, at::kFloat).view({3, 4}).to(kGpu0);
    const at::Tensor outputs[] = {
        engine(base.t()),                                      // strides
        engine(base.view({12}).narrow(0, 1, 6).view({2, 3})),  // an address that is no multiple of 256
        engine(at::_neg_view(base.view({4, 3}))),              // a sign that is not applied
    };
    // Later work may get the memory of the copies.
    const at::Tensor next = Made(-1, {4, 3});
    const at::Tensor host = at::arange(12, at::kFloat);
    EXPECT_TRUE(at::equal(outputs[0].cpu(), host.view({3, 4}).t() * 2 + 1));
    EXPECT_TRUE(at::equal(outputs[1].cpu(), host.narrow(0, 1, 6).view({2, 3}) * 2 + 1));
    EXPECT_TRUE(at::equal(outputs[2].cpu(), host.view({4, 3}) * -2 + 1));
  }
}

// With one context, whose scratch memory two calls must not use at once.
TEST_P(Streams, AContextWaitsForItsWorkOnAnotherStream) {
  runtime::Settings settings;
  settings.max_contexts = 1;
  GpuEngine engine(tiny::AffinePlan(), kGpu0, settings);
  std::vector<c10::Stream> streams = {DefaultStream(), StreamFromPool(0), StreamFromPool(0)};
  void* handles[] = {gpu_.CreateStream(0), gpu_.CreateStream(0)};
  for (void* const handle : handles) streams.push_back(ExternalStream(0, handle));
  std::vector<at::Tensor> outputs;
  for (size_t i = 0; i < streams.size() * streams.size(); ++i) {
    // Each stream comes after each.
    for (const size_t at : {i / streams.size(), i % streams.size()}) {
      const c10::StreamGuard guard(streams[at]);
      outputs.push_back(engine(Made(static_cast<float>(i), {1, 3})));
    }
  }
  EXPECT_EQ(engine.contexts(), 1);
  gpu_.SynchronizeAll();
  for (size_t i = 0; i < outputs.size(); ++i) ExpectAffine(outputs[i], static_cast<float>(i / 2));
  engine.Destroy();
  for (void* const handle : handles) gpu_.DestroyStream(handle);
}

TEST_P(Streams, AStreamMayBeGoneBeforeTheNextCall) {
  runtime::Settings settings;
  settings.max_contexts = 1;
  GpuEngine engine(tiny::AffinePlan(), kGpu0, settings);
  for (int i = 0; i < 3; ++i) {
    void* const handle = gpu_.CreateStream(0);
    {
      const c10::StreamGuard guard(ExternalStream(0, handle));
      ExpectAffine(engine(Made(1, {2, 3})), 1);
    }
    gpu_.DestroyStream(handle);
    const c10::StreamGuard guard(i == 1 ? StreamFromPool(0) : DefaultStream());
    ExpectAffine(engine(Made(2, {2, 3})), 2);
  }
}

TEST_P(Streams, ACallOnAnotherStreamTakesAnotherContextWhileOneWorks) {
  gpu_.SetSchedule(Schedule::kLazy);
  GpuEngine engine(tiny::AffinePlan());
  const c10::Stream first = StreamFromPool(0);
  const c10::Stream second = StreamFromPool(0);
  at::Tensor outputs[2];
  {
    const c10::StreamGuard guard(first);
    outputs[0] = engine(Made(1, {2, 3}));
  }
  {
    const c10::StreamGuard guard(second);
    outputs[1] = engine(Made(2, {2, 3}));
  }
  EXPECT_EQ(engine.contexts(), 2);
  second.synchronize();
  EXPECT_FALSE(gpu_.Done(NameOf(first)));
  first.synchronize();
  ExpectAffine(outputs[0], 1);
  ExpectAffine(outputs[1], 2);
}

TEST_P(Streams, OnlyMemoryThatTensorRtAsksForIsRecorded) {
  // x -> its positive elements, and x + 1.
  GpuEngine engine(
      tiny::MakePlan("def forward(self, x):\n    return x[x > 0], x + 1.0\n", {tiny::Fixed("input_0", {6})}));
  const at::Tensor host = at::arange(-2, 4, at::kFloat);
  for (const c10::Stream& stream : {DefaultStream(), StreamFromPool(0)}) {
    const c10::StreamGuard guard(stream);
    const bool side = NameOf(stream).handle == nullptr;
    std::vector<at::Tensor> outputs = engine.Run({host.to(kGpu0)});
    if (side) {
      EXPECT_THAT(gpu_.RecordedStreams(outputs[0].const_data_ptr()), ElementsAre(NameOf(stream)));
      EXPECT_NE(gpu_.StreamOf(outputs[0].const_data_ptr()).handle, nullptr);
    } else {
      EXPECT_THAT(gpu_.RecordedStreams(outputs[0].const_data_ptr()), IsEmpty());
      EXPECT_EQ(gpu_.StreamOf(outputs[0].const_data_ptr()), NameOf(stream));
    }
    EXPECT_THAT(gpu_.RecordedStreams(outputs[1].const_data_ptr()), IsEmpty());
    EXPECT_EQ(gpu_.StreamOf(outputs[1].const_data_ptr()), NameOf(stream));
    const at::Tensor copy = outputs[0].clone();
    outputs[0].reset();  // at once, with its reader under way
    EXPECT_TRUE(at::equal(copy.cpu(), at::arange(1, 4, at::kFloat)));
    EXPECT_TRUE(at::equal(outputs[1].cpu(), host + 1));
  }
}

TEST_P(Streams, OutputsWhoseSizeDependsOnValuesFollowTheValues) {
  GpuEngine engine(tiny::MakePlan("def forward(self, x):\n    return x[x > 0]\n", {tiny::Fixed("input_0", {6})}));
  for (const c10::Stream& stream : {DefaultStream(), StreamFromPool(0)}) {
    const c10::StreamGuard guard(stream);
    for (const int64_t positive : {0, 1, 6, 3}) {
      const at::Tensor host = at::arange(positive - 5, positive + 1, at::kFloat);
      EXPECT_TRUE(at::equal(engine(host.to(kGpu0)).clone().cpu(), host.masked_select(host > 0))) << positive;
    }
  }
}

TEST_P(Streams, ShapeTensorsAreReadOnTheHostAfterTheirProducer) {
  // The fake TensorRT reads a tensor of this name on the host, whatever its device.
  GpuEngine engine(
      tiny::MakePlan("def forward(self, x, n):\n    return x + n.to(x.dtype)\n",
                     {tiny::Fixed("input_0", {2}), tiny::Fixed("host_1", {2}, tensorrt::DataType::kINT32)}));
  for (const c10::Stream& stream : {DefaultStream(), StreamFromPool(0)}) {
    const c10::StreamGuard guard(stream);
    std::vector<at::Tensor> outputs;
    for (int i = 0; i < 4; ++i) {
      const at::Tensor n = at::full({2}, i, at::TensorOptions(at::kInt).device(i % 2 == 0 ? kGpu0 : at::kCPU));
      outputs.push_back(engine.Run({Made(1, {2}), n}).at(0));
    }
    for (int i = 0; i < 4; ++i) {
      EXPECT_TRUE(at::equal(outputs[static_cast<size_t>(i)].cpu(), at::full({2}, i + 1, at::kFloat))) << i;
    }
  }
}

TEST_P(Streams, OutputsOnTheHostAreThereWhenTheCallReturns) {
  GpuEngine engine(tiny::MakePlan("def forward(self, x):\n    return x + 1.0, x * 2.0\n", {tiny::Fixed("input_0", {3})},
                                  {"host_0", "output_1"}));
  for (const c10::Stream& stream : {DefaultStream(), StreamFromPool(0)}) {
    const c10::StreamGuard guard(stream);
    const std::vector<at::Tensor> outputs = engine.Run({Made(4, {3})});
    EXPECT_TRUE(outputs[0].is_cpu());
    EXPECT_TRUE(at::equal(outputs[0], at::full({3}, 5, at::kFloat)));
    EXPECT_TRUE(at::equal(outputs[1].cpu(), at::full({3}, 8, at::kFloat)));
  }
}

TEST_P(Streams, OutputsMayShareABlock) {
  runtime::Settings settings;
  settings.pack_outputs = true;
  GpuEngine engine(tiny::TwoOutputsPlan(), kGpu0, settings);
  for (const c10::Stream& stream : {DefaultStream(), StreamFromPool(0)}) {
    const c10::StreamGuard guard(stream);
    std::vector<at::Tensor> outputs = engine.Run({Made(2, {4, 3})});
    EXPECT_TRUE(outputs[0].storage().is_alias_of(outputs[1].storage()));
    outputs[0].reset();
    const at::Tensor next = Made(7, {4, 3});
    EXPECT_TRUE(at::equal(outputs[1].cpu(), at::full({4}, 6, at::kFloat)));
  }
}

TEST_P(Streams, EnginesMayShareScratchMemory) {
  MemoryMayStay();
  runtime::Settings settings;
  settings.shared_scratch = true;
  GpuEngine small(tiny::AffinePlan(), kGpu0, settings);
  GpuEngine large(tiny::MakePlan("def forward(self, x):\n    return ((x * 2.0 + 1.0) * 2.0 + 1.0) * 2.0 + 1.0\n",
                                 {tiny::Fixed("input_0", {2, 3})}),
                  kGpu0, settings);
  const auto expected = at::full({2, 3}, 8 * 3 + 7, at::kFloat);
  std::vector<at::Tensor> outputs;
  const c10::Stream streams[] = {DefaultStream(), StreamFromPool(0), DefaultStream(), StreamFromPool(0)};
  for (const c10::Stream& stream : streams) {
    const c10::StreamGuard guard(stream);
    for (int i = 0; i < 3; ++i) {
      const at::Tensor x = Made(3, {2, 3});
      outputs.push_back(small(small(small(x))));
      outputs.push_back(large(x));
    }
  }
  gpu_.SynchronizeAll();
  for (const at::Tensor& output : outputs) EXPECT_TRUE(at::equal(output.cpu(), expected));
}

TEST_P(Streams, EachCallHasTheProfileOfItsShapes) {
  reference::TensorSpec input = tiny::Batched("input_0", {1, 3}, 1, 2);
  input.profiles.push_back({{3, 3}, {4, 3}, {8, 3}});
  GpuEngine engine(tiny::MakePlan("def forward(self, x):\n    return x * 2.0 + 1.0\n", {input}));
  for (const c10::Stream& stream : {DefaultStream(), StreamFromPool(0)}) {
    const c10::StreamGuard guard(stream);
    std::vector<at::Tensor> outputs;
    for (const int64_t batch : {1, 8, 2, 3, 4, 1}) {
      outputs.push_back(engine(Made(static_cast<float>(batch), {batch, 3})));
    }
    for (const at::Tensor& output : outputs) ExpectAffine(output, static_cast<float>(output.size(0)));
  }
  EXPECT_EQ(engine.engine()->loaded()->facts().optimization_profile_groups.size(), 2U);
}

TEST_P(Streams, ATimedCallGivesTheSame) {
  GpuEngine engine(tiny::AffinePlan());
  engine.engine()->StartTiming();
  for (const c10::Stream& stream : {DefaultStream(), StreamFromPool(0)}) {
    const c10::StreamGuard guard(stream);
    ExpectAffine(engine(Made(2, {2, 3})), 2);
  }
}

TEST_P(Streams, AnInputOfNoElementsRuns) {
  GpuEngine engine(tiny::MakePlan("def forward(self, x):\n    return x + 1.0\n", {tiny::Fixed("input_0", {0, 3})}));
  EXPECT_EQ(engine(at::empty({0, 3}, kGpu0)).sizes(), at::IntArrayRef({0, 3}));
}

TEST_P(Streams, AnEngineMayBeDestroyedWithItsWorkUnderWay) {
  std::vector<at::Tensor> outputs;
  for (const c10::Stream& stream : {DefaultStream(), StreamFromPool(0)}) {
    const c10::StreamGuard guard(stream);
    GpuEngine engine(tiny::AffinePlan());
    outputs.push_back(engine(Made(2, {2, 3})));
  }
  gpu_.SynchronizeAll();
  for (const at::Tensor& output : outputs) ExpectAffine(output, 2);
}

NACELLE_IN_EVERY_ORDER(Streams);

}  // namespace
}  // namespace nacelle::fake_gpu
