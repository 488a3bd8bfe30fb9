// The caller's objects that the library calls: output allocators, profilers, loggers, stream readers.
#include "core/tensorrt/callbacks.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/core/throws.h"
#include "tests/reference/engine_fixture.h"
#include "tests/reference/networks.h"

namespace nacelle::reference {
namespace {

using tensorrt::DataType;
using tensorrt::Dims;
using tensorrt::Method;
using testing_support::ExpectHas;

class Memory : public tensorrt::OutputMemory {
 public:
  void* Reallocate(const char* tensor, void* current, uint64_t size, uint64_t alignment, void* /*stream*/) override {
    tensor_ = tensor;
    current_ = current;
    size_ = size;
    alignment_ = alignment;
    ++calls_;
    if (refuse_) return nullptr;
    bytes_.resize(size);
    return bytes_.data();
  }
  void NotifyShape(const char* /*tensor*/, const Dims& shape) override { shape_ = shape; }

  const int32_t* values() const { return reinterpret_cast<const int32_t*>(bytes_.data()); }

  std::string tensor_;
  void* current_ = nullptr;
  uint64_t size_ = 0;
  uint64_t alignment_ = 0;
  int calls_ = 0;
  bool refuse_ = false;
  Dims shape_;
  std::vector<char> bytes_;
};

using CallbacksTest = EngineTest;

TEST_F(CallbacksTest, OutputsThatFollowFromValuesComeThroughTheirAllocator) {
  const auto engine = Load(Nonzero(DataType::kFLOAT));
  EXPECT_EQ(engine.Shape("where"), Dims({-1, 1}));
  auto context = engine.CreateExecutionContext();
  EXPECT_EQ(context.TensorShape("where"), Dims({-1, 1}));
  std::vector<float> x = {0, 5, 0, 7};
  std::vector<int32_t> own(8);
  ASSERT_TRUE(context.SetTensorAddress("x", x.data()));
  ASSERT_TRUE(context.SetTensorAddress("where", own.data()));
  ExpectRefused(context.Enqueue(nullptr), "no allocator; call setOutputAllocator");
  Memory memory;
  tensorrt::OutputAllocator allocator(ReferenceLibrary()->table(), memory);
  ASSERT_TRUE(context.SetOutputAllocator("where", &allocator));
  ASSERT_TRUE(context.Enqueue(nullptr)) << TakeMessages();
  EXPECT_EQ(memory.tensor_, "where");
  EXPECT_EQ(memory.size_, 2 * sizeof(int32_t));
  EXPECT_EQ(memory.current_, own.data());
  EXPECT_GE(memory.alignment_, 4u);
  EXPECT_EQ(memory.shape_, Dims({2, 1}));
  EXPECT_EQ(memory.values()[0], 1);
  EXPECT_EQ(memory.values()[1], 3);
  x = {1, 1, 1, 1};
  ASSERT_TRUE(context.Enqueue(nullptr)) << TakeMessages();
  EXPECT_EQ(memory.shape_, Dims({4, 1}));
  EXPECT_EQ(memory.values()[3], 3);
}

TEST_F(CallbacksTest, AnOutputOfNoElementsIsToldToItsAllocator) {
  const auto engine = Load(Nonzero(DataType::kBOOL));
  auto context = engine.CreateExecutionContext();
  bool x[4] = {};
  Memory memory;
  tensorrt::OutputAllocator allocator(ReferenceLibrary()->table(), memory);
  ASSERT_TRUE(context.SetTensorAddress("x", x) && context.SetOutputAllocator("where", &allocator));
  ASSERT_TRUE(context.Enqueue(nullptr)) << TakeMessages();
  EXPECT_EQ(memory.shape_, Dims({0, 1}));
  EXPECT_EQ(memory.calls_, 1);
}

TEST_F(CallbacksTest, AnAllocatorMayRefuse) {
  const auto engine = Load(Nonzero(DataType::kINT32));
  auto context = engine.CreateExecutionContext();
  int32_t x[4] = {1, 0, 0, 0};
  Memory memory;
  memory.refuse_ = true;
  tensorrt::OutputAllocator allocator(ReferenceLibrary()->table(), memory);
  ASSERT_TRUE(context.SetTensorAddress("x", x) && context.SetOutputAllocator("where", &allocator));
  ExpectRefused(context.Enqueue(nullptr), "the allocator of output \"where\" gave no memory for 4 bytes");
}

TEST_F(CallbacksTest, AnyOutputMayHaveAnAllocator) {
  const auto engine = Load(TwoHeadsFixed());
  auto context = engine.CreateExecutionContext();
  std::vector<float> x = {1, 2, 3, 4, 5, 6}, sum(2);
  Memory memory;
  tensorrt::OutputAllocator allocator(ReferenceLibrary()->table(), memory);
  ASSERT_TRUE(context.SetTensorAddress("x", x.data()) && context.SetTensorAddress("sum", sum.data()));
  ASSERT_TRUE(context.SetOutputAllocator("twice", &allocator));
  ASSERT_TRUE(context.Enqueue(nullptr)) << TakeMessages();
  EXPECT_EQ(sum[1], 15);
  EXPECT_EQ(memory.shape_, Dims({2, 3}));
  EXPECT_EQ(reinterpret_cast<const float*>(memory.bytes_.data())[5], 12);
  ASSERT_TRUE(context.SetOutputAllocator("twice", nullptr));
  ExpectRefused(context.Enqueue(nullptr), "output \"twice\" has neither");
  ExpectRefused(context.SetOutputAllocator("x", &allocator), "input \"x\" is no output");
}

class Times : public tensorrt::LayerTimes {
 public:
  void Report(const char* layer, float milliseconds) override {
    layers_.emplace_back(layer);
    total_ += milliseconds;
  }
  std::vector<std::string> layers_;
  float total_ = 0;
};

TEST_F(CallbacksTest, ProfilersAreToldEveryRun) {
  const auto engine = Load(TwoHeadsFixed());
  auto context = engine.CreateExecutionContext();
  std::vector<float> x(6), sum(2), twice(6);
  ASSERT_TRUE(context.SetTensorAddress("x", x.data()) && context.SetTensorAddress("sum", sum.data()) &&
              context.SetTensorAddress("twice", twice.data()));
  Times times;
  tensorrt::Profiler profiler(ReferenceLibrary()->table(), times);
  context.SetProfiler(&profiler);
  ASSERT_TRUE(context.Enqueue(nullptr));
  EXPECT_EQ(times.layers_, std::vector<std::string>({"forward"}));
  EXPECT_GT(times.total_, 0);
  context.SetProfiler(nullptr);
  ASSERT_TRUE(context.Enqueue(nullptr));
  EXPECT_EQ(times.layers_.size(), 1u);
}

// A stream reader, laid out by hand: the table of the release has the slot of `read`.
struct Reader {
  void* const* table;
  const std::string* bytes;
  size_t at = 0;

  static int64_t Read(Reader* self, void* to, int64_t size, void* /*stream*/) {
    const size_t count = std::min(static_cast<size_t>(size), self->bytes->size() - self->at);
    std::copy_n(self->bytes->data() + self->at, count, static_cast<char*>(to));
    self->at += count;
    return static_cast<int64_t>(count);
  }
};

void ExpectReadFromStream(Method deserialize, Method read) {
  if (!Raw::Has(deserialize)) return;
  const std::string plan = TwoHeadsFixed();
  void* table[16] = {};
  table[ReferenceLibrary()->table().slot(read)] = reinterpret_cast<void*>(&Reader::Read);
  const Raw runtime = RawRuntime();
  Reader reader{table, &plan, 0};
  const Raw engine(runtime.Call<void*>(deserialize, static_cast<void*>(&reader)));
  ASSERT_TRUE(engine);
  EXPECT_EQ(engine.Call<int32_t>(Method::kCudaEngine_getNbIOTensors), 3);
  const std::string nothing;
  Reader empty{table, &nothing, 0};
  EXPECT_FALSE(Raw(runtime.Call<void*>(deserialize, static_cast<void*>(&empty))));
}

TEST_F(CallbacksTest, PlansAreReadFromStreams) {
  ExpectReadFromStream(Method::kRuntime_deserializeCudaEngine_streamReader, Method::kStreamReader_read);
  ExpectReadFromStream(Method::kRuntime_deserializeCudaEngineV2, Method::kStreamReaderV2_read);
}

}  // namespace
}  // namespace nacelle::reference
