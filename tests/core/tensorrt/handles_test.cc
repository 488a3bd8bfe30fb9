// Every call of the handles, against libraries whose layouts g++ made (fake/).
#include "core/tensorrt/handles.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/tensorrt/messages.h"
#include "tests/core/tensorrt/fake/fakes.h"

namespace nacelle::tensorrt {
namespace {

// Differences between the releases.
struct Fake {
  const char* file;
  const char* name;
  int major;
  bool since_8_6;
  bool v2;  // has the later forms of memory and profile value methods, and those that came last
  const char* logger;
  const char* allocator;
};

void PrintTo(const Fake& fake, std::ostream* out) { *out << fake.name; }

constexpr Fake kFakes[] = {
    {"libfake_8_5.so", "TensorRT 8.5.3.1", 8, false, false, "unversioned", "version/1"},
    {"libfake_8_6.so", "TensorRT 8.6.1.5", 8, true, false, "unversioned", "version/1"},
    {"libfake_9_1.so", "TensorRT 9.1.0.4", 9, true, false, "unversioned", "version/1"},
    {"libfake_9_2.so", "TensorRT 9.2.0.5", 9, true, false, "unversioned", "version/1"},
    {"libfake_9_3.so", "TensorRT 9.3.0.0", 9, true, false, "unversioned", "version/1"},
    {"libfake_10_0.so", "TensorRT 10.0.1.77", 10, true, false, "unversioned", "IOutputAllocator/1.0/0"},
    {"libfake_11_1.so", "TensorRT 11.1.0.77", 11, true, true, "ILogger/1.0/0", "IOutputAllocator/1.0/0"},
};

void* const kStream = reinterpret_cast<void*>(0x1234);

class HandlesTest : public testing::TestWithParam<Fake> {
 protected:
  void SetUp() override {
    library_ = OpenFake(GetParam().file);
    TakeEvents(*library_);
    runtime_.emplace(Runtime::Create(library_));
    engine_.emplace(runtime_->Deserialize("fake plan"));
    created_ = TakeEvents(*library_);
  }

  std::string Events() { return TakeEvents(*library_); }

  // Expects a LibraryError that names `method` and the release, or none if `there`.
  void ExpectCapability(bool there, Method method, const std::function<void()>& call) {
    try {
      call();
      EXPECT_TRUE(there) << MethodName(method);
    } catch (const LibraryError& error) {
      EXPECT_FALSE(there) << error.what();
      EXPECT_NE(std::string(error.what()).find(MethodName(method)), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find(GetParam().name), std::string::npos) << error.what();
    }
  }

  std::shared_ptr<const Library> library_;
  std::optional<Runtime> runtime_;
  std::optional<CudaEngine> engine_;
  std::string created_;
};

TEST_P(HandlesTest, LoggerIsWhatTheReleaseExpects) { EXPECT_EQ(created_, GetParam().logger); }

TEST_P(HandlesTest, RefusedPlanQuotesTheLibrary) {
  try {
    runtime_->Deserialize("some other plan");
    ADD_FAILURE();
  } catch (const PlanError& error) {
    EXPECT_EQ(std::string(error.what()), std::string(GetParam().name) + " did not accept the plan of 15 bytes; " +
                                             GetParam().name + " said: [W] this looks wrong; [E] not a fake plan");
  }
}

TEST_P(HandlesTest, PlansThatBringCodeAreACapability) {
  const bool there = GetParam().since_8_6;
  EXPECT_EQ(runtime_->Has(Method::kRuntime_setEngineHostCodeAllowed), there);
  ExpectCapability(there, Method::kRuntime_setEngineHostCodeAllowed, [&] { runtime_->SetEngineHostCodeAllowed(true); });
}

TEST_P(HandlesTest, EngineNamesItsTensors) {
  ASSERT_EQ(engine_->NumIoTensors(), 3);
  EXPECT_STREQ(engine_->IoTensorName(0), "x");
  EXPECT_STREQ(engine_->IoTensorName(2), "rows");
  EXPECT_EQ(engine_->IoTensorName(3), nullptr);
  EXPECT_EQ(engine_->IoMode("x"), TensorIOMode::kINPUT);
  EXPECT_EQ(engine_->IoMode("twice"), TensorIOMode::kOUTPUT);
  EXPECT_EQ(engine_->IoMode("other"), TensorIOMode::kNONE);
  EXPECT_EQ(engine_->Type("x"), DataType::kFLOAT);
  EXPECT_EQ(engine_->Type("rows"), DataType::kINT32);
  EXPECT_EQ(engine_->Shape("x"), Dims({-1, 3}));
  EXPECT_FALSE(engine_->Shape("other").valid());
  EXPECT_EQ(engine_->Location("x"), TensorLocation::kDEVICE);
  EXPECT_EQ(engine_->Location("shape"), TensorLocation::kHOST);
  EXPECT_FALSE(engine_->IsShapeInferenceIo("x"));
  EXPECT_TRUE(engine_->IsShapeInferenceIo("shape"));
}

TEST_P(HandlesTest, EngineTellsFacts) {
  EXPECT_EQ(engine_->DeviceMemorySize(), 4096);
  EXPECT_TRUE(engine_->IsRefittable());
  ExpectCapability(GetParam().since_8_6, Method::kCudaEngine_getHardwareCompatibilityLevel,
                   [&] { EXPECT_EQ(engine_->HardwareCompatibility(), HardwareCompatibilityLevel::kAMPERE_PLUS); });
  ExpectCapability(GetParam().major == 11, Method::kCudaEngine_getAliasedInputTensor, [&] {
    EXPECT_STREQ(engine_->AliasedInput("twice"), "x");
    EXPECT_EQ(engine_->AliasedInput("rows"), nullptr);
  });
}

TEST_P(HandlesTest, ProfilesHaveRanges) {
  ASSERT_EQ(engine_->NumProfiles(), 2);
  EXPECT_EQ(engine_->ProfileShape("x", 0, OptProfileSelector::kMIN), Dims({1, 3}));
  EXPECT_EQ(engine_->ProfileShape("x", 1, OptProfileSelector::kMAX), Dims({16, 3}));
  EXPECT_FALSE(engine_->ProfileShape("x", 2, OptProfileSelector::kMAX).valid());
  EXPECT_EQ(engine_->ProfileTensorValues("shape", 1, OptProfileSelector::kMAX), (std::vector<int64_t>{5, 6}));
  EXPECT_TRUE(engine_->ProfileTensorValues("shape", 0, OptProfileSelector::kMAX).empty());
  EXPECT_TRUE(engine_->ProfileTensorValues("other", 1, OptProfileSelector::kMAX).empty());
}

TEST_P(HandlesTest, InspectorGivesTexts) {
  const EngineInspector inspector = engine_->CreateInspector();
  EXPECT_EQ(inspector.EngineInformation(LayerInformationFormat::kONELINE), "one line");
}

TEST_P(HandlesTest, ContextRuns) {
  ExecutionContext context = engine_->CreateExecutionContext();
  std::array<const char*, 1> missing = {nullptr};
  EXPECT_EQ(context.InferShapes(missing), 1);
  EXPECT_STREQ(missing[0], "x");
  EXPECT_EQ(context.InferShapes(), 1);
  ASSERT_TRUE(context.SetInputShape("x", Dims({2, 3})));
  EXPECT_EQ(context.InferShapes(), 0);
  EXPECT_EQ(context.TensorShape("twice"), Dims({2, 3}));
  EXPECT_EQ(context.TensorShape("rows"), Dims({-1}));
  EXPECT_FALSE(context.TensorShape("other").valid());
  EXPECT_EQ(context.MaxOutputBytes("twice"), 24);
  EXPECT_EQ(context.MaxOutputBytes("rows"), -1);

  const std::vector<float> x = {1, 2, 3, 4, 5, 6};
  std::vector<float> twice(6);
  EXPECT_TRUE(context.SetInputTensorAddress("x", x.data()));
  EXPECT_FALSE(context.SetInputTensorAddress("twice", x.data()));
  EXPECT_TRUE(context.SetTensorAddress("twice", twice.data()));
  EXPECT_FALSE(context.SetTensorAddress("other", twice.data()));
  EXPECT_TRUE(context.Enqueue(kStream));
  EXPECT_EQ(twice, (std::vector<float>{2, 4, 6, 8, 10, 12}));
}

TEST_P(HandlesTest, ShapesOutsideTheProfileAreRefused) {
  ExecutionContext context = engine_->CreateExecutionContext();
  const MessageScope messages;
  EXPECT_FALSE(context.SetInputShape("x", Dims({9, 3})));
  EXPECT_EQ(messages.Text(), "[E] shape out of range for x");
  EXPECT_TRUE(context.SetOptimizationProfile(1, kStream));
  EXPECT_EQ(context.OptimizationProfile(), 1);
  EXPECT_TRUE(context.SetInputShape("x", Dims({9, 3})));
  EXPECT_FALSE(context.SetOptimizationProfile(2, kStream));
  // 2 to the 32 plus 2 must not arrive as 2.
  EXPECT_FALSE(context.SetInputShape("x", Dims({(int64_t{1} << 32) + 2, 3})));
}

TEST_P(HandlesTest, CommunicatorsAreACapability) {
  ExecutionContext context = engine_->CreateExecutionContext();
  ExpectCapability(GetParam().major == 11, Method::kExecutionContext_setCommunicator, [&] {
    EXPECT_TRUE(context.SetCommunicator(kStream));
    EXPECT_FALSE(context.SetCommunicator(nullptr));
  });
}

TEST_P(HandlesTest, MemoryOfTheCaller) {
  ExecutionContext context = engine_->CreateExecutionContext(ExecutionContextAllocationStrategy::kUSER_MANAGED);
  std::vector<float> data(3, 1.0F);
  ASSERT_TRUE(context.SetInputShape("x", Dims({1, 3})));
  ASSERT_TRUE(context.SetTensorAddress("x", data.data()));
  ASSERT_TRUE(context.SetTensorAddress("twice", data.data()));
  EXPECT_FALSE(context.Enqueue(kStream));
  std::vector<char> memory(4096);
  context.SetDeviceMemory(memory.data(), 4096);
  EXPECT_EQ(Events(), GetParam().v2 ? "setDeviceMemoryV2" : "setDeviceMemory");
  EXPECT_TRUE(context.Enqueue(kStream));
}

TEST_P(HandlesTest, AllocationOnProfileChangeIsACapability) {
  const auto create = [&] {
    return engine_->CreateExecutionContext(ExecutionContextAllocationStrategy::kON_PROFILE_CHANGE);
  };
  if (GetParam().major < 10) {
    EXPECT_THROW(create(), LibraryError);
    return;
  }
  const ExecutionContext context = create();
  EXPECT_EQ(Events(), "onProfileChange");
}

class Rows final : public OutputMemory {
 public:
  void* Reallocate(const char* tensor, void*, uint64_t size, uint64_t alignment, void* stream) override {
    asked = std::string(tensor) + "/" + std::to_string(size) + "/" + std::to_string(alignment);
    got_stream = stream;
    memory.resize(size / sizeof(int32_t));
    return fails ? nullptr : memory.data();
  }
  void NotifyShape(const char* tensor, const Dims& dims) override { shape = tensor + ToString(dims); }

  bool fails = false;
  std::vector<int32_t> memory;
  std::string asked;
  std::string shape;
  void* got_stream = nullptr;
};

// A context that is ready to enqueue two rows.
class RunTest : public HandlesTest {
 protected:
  void SetUp() override {
    HandlesTest::SetUp();
    context_.emplace(engine_->CreateExecutionContext());
    ASSERT_TRUE(context_->SetInputShape("x", Dims({2, 3})));
    ASSERT_TRUE(context_->SetTensorAddress("x", data_.data()));
    ASSERT_TRUE(context_->SetTensorAddress("twice", data_.data()));
  }

  std::vector<float> data_ = std::vector<float>(6, 1.0F);
  std::optional<ExecutionContext> context_;
};

TEST_P(RunTest, OutputAllocatorGivesMemory) {
  Rows rows;
  OutputAllocator allocator(library_->table(), rows);
  EXPECT_FALSE(context_->SetOutputAllocator("twice", &allocator));
  ASSERT_TRUE(context_->SetOutputAllocator("rows", &allocator));
  EXPECT_EQ(Events(), GetParam().allocator);
  ASSERT_TRUE(context_->Enqueue(kStream));
  EXPECT_EQ(rows.asked, "rows/8/256");
  EXPECT_EQ(rows.got_stream, GetParam().major < 10 ? nullptr : kStream);
  EXPECT_EQ(rows.shape, "rows[2]");
  EXPECT_EQ(rows.memory, (std::vector<int32_t>{0, 1}));

  const MessageScope messages;
  rows.fails = true;
  EXPECT_FALSE(context_->Enqueue(kStream));
  EXPECT_EQ(messages.Text(), "[E] no memory for rows");
  EXPECT_TRUE(context_->SetOutputAllocator("rows", nullptr));
  EXPECT_TRUE(context_->Enqueue(kStream));
}

class Times final : public LayerTimes {
 public:
  void Report(const char* layer, float milliseconds) override {
    reports.emplace_back(std::string(layer) + " " + std::to_string(milliseconds));
  }
  std::vector<std::string> reports;
};

TEST_P(RunTest, ProfilerIsTold) {
  Times times;
  Profiler profiler(library_->table(), times);
  context_->SetProfiler(&profiler);
  EXPECT_EQ(Events(), GetParam().major == 11 ? "IProfiler/1.0/0" : "unversioned");
  ASSERT_TRUE(context_->Enqueue(kStream));
  EXPECT_EQ(times.reports, (std::vector<std::string>{"double 0.500000"}));
  context_->SetProfiler(nullptr);
  ASSERT_TRUE(context_->Enqueue(kStream));
  EXPECT_EQ(times.reports.size(), 1U);
}

TEST_P(HandlesTest, ChildrenGoBeforeTheirParents) {
  std::optional<ExecutionContext> context(engine_->CreateExecutionContext());
  std::optional<EngineInspector> inspector(engine_->CreateInspector());
  runtime_.reset();
  engine_.reset();
  EXPECT_EQ(Events(), "") << "still needed";
  inspector.reset();
  EXPECT_EQ(Events(), "~inspector");
  context.reset();
  EXPECT_EQ(Events(), "~context ~engine ~runtime");
}

TEST_P(HandlesTest, MovedHandlesDeleteOnce) {
  CudaEngine moved = std::move(*engine_);
  engine_.reset();
  EXPECT_EQ(moved.NumIoTensors(), 3);
  EXPECT_EQ(Events(), "");
  moved = runtime_->Deserialize("fake plan");
  EXPECT_EQ(Events(), "~engine");
  ExecutionContext context = moved.CreateExecutionContext();
  context = moved.CreateExecutionContext();
  EXPECT_EQ(Events(), "~context");
}

std::string TestName(const testing::TestParamInfo<Fake>& info) {
  const std::string file = info.param.file;
  return file.substr(3, file.size() - 6);
}

INSTANTIATE_TEST_SUITE_P(Releases, HandlesTest, testing::ValuesIn(kFakes), TestName);
INSTANTIATE_TEST_SUITE_P(Releases, RunTest, testing::ValuesIn(kFakes), TestName);

}  // namespace
}  // namespace nacelle::tensorrt
