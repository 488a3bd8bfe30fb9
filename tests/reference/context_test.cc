// IExecutionContext: shapes, profiles, addresses, runs.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "core/tensorrt/data_type.h"
#include "reference/fill.h"
#include "tests/core/throws.h"
#include "tests/reference/engine_fixture.h"
#include "tests/reference/networks.h"

namespace nacelle::reference {
namespace {

using tensorrt::DataType;
using tensorrt::Dims;
using tensorrt::ExecutionContext;

// Memory for one run of TwoHeads.
struct Heads {
  explicit Heads(size_t n, float start = 0) : x(n * 3), sum(n, -1), twice(n * 3, -1) {
    for (size_t i = 0; i < x.size(); ++i) x[i] = start + static_cast<float>(i);
  }
  bool Bind(ExecutionContext& context) {
    return context.SetInputTensorAddress("x", x.data()) && context.SetTensorAddress("sum", sum.data()) &&
           context.SetTensorAddress("twice", twice.data());
  }
  void ExpectRight() const {
    for (size_t i = 0; i < sum.size(); ++i) EXPECT_EQ(sum[i], x[3 * i] + x[3 * i + 1] + x[3 * i + 2]) << i;
    for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(twice[i], x[i] * 2) << i;
  }

  std::vector<float> x;
  std::vector<float> sum;
  std::vector<float> twice;
};

using ContextTest = EngineTest;

TEST_F(ContextTest, RunsAtShapeAfterShape) {
  const auto engine = Load(TwoHeads());
  auto context = engine.CreateExecutionContext();
  for (const size_t n : {2, 16, 1, 2, 7}) {
    ASSERT_TRUE(context.SetInputShape("x", {static_cast<int64_t>(n), 3}));
    EXPECT_EQ(context.TensorShape("sum"), Dims({static_cast<int64_t>(n)}));
    EXPECT_EQ(context.TensorShape("twice"), Dims({static_cast<int64_t>(n), 3}));
    Heads heads(n);
    ASSERT_TRUE(heads.Bind(context));
    ASSERT_TRUE(context.Enqueue(nullptr)) << TakeMessages();
    heads.ExpectRight();
  }
  EXPECT_EQ(TakeMessages(), "");
}

TEST_F(ContextTest, AFixedPlanNeedsNoShapes) {
  const auto engine = Load(TwoHeadsFixed());
  auto context = engine.CreateExecutionContext();
  EXPECT_EQ(context.TensorShape("sum"), Dims({2}));
  EXPECT_TRUE(context.SetInputShape("x", {2, 3}));
  Heads heads(2);
  ASSERT_TRUE(heads.Bind(context));
  ASSERT_TRUE(context.Enqueue(nullptr)) << TakeMessages();
  heads.ExpectRight();
  ExpectRefused(context.SetInputShape("x", {3, 3}), "input \"x\", dimension 0: 3 of [3, 3] is outside its range, 2");
}

TEST_F(ContextTest, ShapesAreHeldAgainstTheProfile) {
  const auto engine = Load(TwoHeads());
  auto context = engine.CreateExecutionContext();
  ExpectRefused(context.SetInputShape("x", {17, 3}), "dimension 0: 17 of [17, 3] is outside its range, 1 to 16");
  ExpectRefused(context.SetInputShape("x", {0, 3}), "dimension 0: 0 of [0, 3] is outside its range, 1 to 16");
  ExpectRefused(context.SetInputShape("x", {-1, 3}), "dimension 0: -1");
  ExpectRefused(context.SetInputShape("x", {2, 4}), "dimension 1: 4 of [2, 4] is outside its range, 3");
  ExpectRefused(context.SetInputShape("x", {2}), "input \"x\" has 2 dimensions ([-1, 3]); got [2]");
  ExpectRefused(context.SetInputShape("x", Dims()), "-1 dimensions");
  ExpectRefused(context.SetInputShape("sum", {2}), "output \"sum\" is no input");
  ExpectRefused(context.SetInputShape("y", {2}), "no tensor has the name \"y\"");
  ExpectRefused(context.SetInputShape(nullptr, {2}), "(null)");
}

TEST_F(ContextTest, ARefusedShapeLeavesTheLastOne) {
  const auto engine = Load(TwoHeads());
  auto context = engine.CreateExecutionContext();
  ASSERT_TRUE(context.SetInputShape("x", {4, 3}));
  ExpectRefused(context.SetInputShape("x", {40, 3}), "40");
  EXPECT_EQ(context.TensorShape("x"), Dims({4, 3}));
  EXPECT_EQ(context.TensorShape("sum"), Dims({4}));
}

TEST_F(ContextTest, ShapesAreUnknownUntilInputsAreSpecified) {
  const auto engine = Load(TwoHeads());
  auto context = engine.CreateExecutionContext();
  EXPECT_EQ(context.TensorShape("x"), Dims({-1, 3}));
  EXPECT_EQ(context.TensorShape("sum"), Dims({-1}));
  const char* missing[1] = {};
  EXPECT_EQ(context.InferShapes(missing), 1);
  EXPECT_STREQ(missing[0], "x");
  EXPECT_EQ(context.InferShapes(), 1);
  ASSERT_TRUE(context.SetInputShape("x", {4, 3}));
  EXPECT_EQ(context.InferShapes(missing), 0);
}

TEST_F(ContextTest, EnqueueSaysWhatIsMissing) {
  const auto engine = Load(TwoHeads());
  auto context = engine.CreateExecutionContext();
  ExpectRefused(context.Enqueue(nullptr), "input \"x\" has no shape; call setInputShape");
  ASSERT_TRUE(context.SetInputShape("x", {2, 3}));
  ExpectRefused(context.Enqueue(nullptr), "input \"x\" has no address; call setTensorAddress");
  Heads heads(2);
  ASSERT_TRUE(context.SetInputTensorAddress("x", heads.x.data()));
  ExpectRefused(context.Enqueue(nullptr), "output \"sum\" has neither address nor allocator");
  ASSERT_TRUE(context.SetTensorAddress("sum", heads.sum.data()));
  ExpectRefused(context.Enqueue(nullptr), "output \"twice\" has neither address nor allocator");
  ASSERT_TRUE(heads.Bind(context));
  ASSERT_TRUE(context.SetTensorAddress("sum", nullptr));
  ExpectRefused(context.Enqueue(nullptr), "output \"sum\" has neither address nor allocator");
  ASSERT_TRUE(heads.Bind(context));
  EXPECT_TRUE(context.Enqueue(nullptr));
}

TEST_F(ContextTest, AddressesAreKeptByName) {
  const auto engine = Load(TwoHeads());
  auto context = engine.CreateExecutionContext();
  Heads heads(2);
  ASSERT_TRUE(heads.Bind(context));
  ExpectRefused(context.SetInputTensorAddress("sum", heads.x.data()), "output \"sum\" is no input");
  ExpectRefused(context.SetTensorAddress("y", heads.x.data()), "no tensor has the name \"y\"");
}

TEST_F(ContextTest, AProfileChangeForgetsShapes) {
  const auto engine = Load(TwoHeads(2));
  auto context = engine.CreateExecutionContext();
  EXPECT_EQ(context.OptimizationProfile(), 0);
  ASSERT_TRUE(context.SetInputShape("x", {4, 3}));
  ExpectRefused(context.SetInputShape("x", {32, 3}), "1 to 16 in optimization profile 0");
  ASSERT_TRUE(context.SetOptimizationProfile(1, nullptr));
  EXPECT_EQ(context.OptimizationProfile(), 1);
  ASSERT_TRUE(context.SetInputShape("x", {32, 3}));
  Heads heads(32);
  ASSERT_TRUE(heads.Bind(context));
  ASSERT_TRUE(context.Enqueue(nullptr)) << TakeMessages();
  heads.ExpectRight();
  ASSERT_TRUE(context.SetOptimizationProfile(1, nullptr));
  EXPECT_EQ(context.TensorShape("x"), Dims({32, 3})) << "the same profile again changes nothing";
  ExpectRefused(context.SetOptimizationProfile(2, nullptr), "profile 2; wanted 0 to 1");
  ExpectRefused(context.SetOptimizationProfile(-1, nullptr), "profile -1");
}

TEST_F(ContextTest, ProfilesBelongToOneContextBefore86) {
  const auto engine = Load(TwoHeads(2));
  auto first = std::make_unique<ExecutionContext>(engine.CreateExecutionContext());
  auto second = engine.CreateExecutionContext();
  if (AtLeast(8, 6)) {
    EXPECT_EQ(second.OptimizationProfile(), 0);
    return;
  }
  EXPECT_EQ(second.OptimizationProfile(), -1);
  ExpectRefused(second.SetInputShape("x", {2, 3}), "no optimization profile is set");
  ExpectRefused(second.Enqueue(nullptr), "no optimization profile is set");
  ExpectRefused(second.SetOptimizationProfile(0, nullptr), "belongs to another context");
  ASSERT_TRUE(second.SetOptimizationProfile(1, nullptr));
  auto third = engine.CreateExecutionContext();
  EXPECT_EQ(third.OptimizationProfile(), -1);
  ASSERT_TRUE(first->SetInputShape("x", {2, 3}));
  first = nullptr;
  EXPECT_TRUE(third.SetOptimizationProfile(0, nullptr));
}

TEST_F(ContextTest, FixedPlansHaveAnyNumberOfContexts) {
  const auto engine = Load(TwoHeadsFixed());
  std::vector<ExecutionContext> contexts;
  for (int i = 0; i < 4; ++i) contexts.push_back(engine.CreateExecutionContext());
  for (ExecutionContext& context : contexts) {
    Heads heads(2);
    ASSERT_TRUE(heads.Bind(context));
    ASSERT_TRUE(context.Enqueue(nullptr)) << TakeMessages();
    heads.ExpectRight();
  }
}

// A million elements are above what is copied with memcpy.
TEST_F(ContextTest, LargeOutputsAreCopiedWhole) {
  const auto engine =
      Load(PlanOf("def forward(self, x):\n    return x + 1, x.t()\n", {Fixed("x", DataType::kFLOAT, {1000, 1000})}));
  auto context = engine.CreateExecutionContext();
  std::vector<float> x(1000000), next(1000000), transposed(1000000);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 9973);
  ASSERT_TRUE(context.SetTensorAddress("x", x.data()));
  ASSERT_TRUE(context.SetTensorAddress("output_0", next.data()));
  ASSERT_TRUE(context.SetTensorAddress("output_1", transposed.data()));
  ASSERT_TRUE(context.Enqueue(nullptr)) << TakeMessages();
  for (const size_t i : {0, 1, 999, 123456, 999999}) {
    EXPECT_EQ(next[i], x[i] + 1);
    EXPECT_EQ(transposed[i], x[i % 1000 * 1000 + i / 1000]);
  }
}

TEST_F(ContextTest, EveryDtypeGoesInAndOut) {
  for (const tensorrt::DataTypeInfo& dtype : tensorrt::kDataTypes) {
    if (ReferenceLibrary()->release() < dtype.since) continue;
    const auto engine = Load(Identity(dtype.type));
    EXPECT_EQ(engine.Type("y"), dtype.type) << dtype.name;
    auto context = engine.CreateExecutionContext();
    std::vector<char> x = Filled(dtype.type, 3, Fill::kOnes);
    std::vector<char> y(x.size(), 0x55);
    ASSERT_TRUE(context.SetTensorAddress("x", x.data()) && context.SetTensorAddress("y", y.data()));
    ASSERT_TRUE(context.Enqueue(nullptr)) << dtype.name << ": " << TakeMessages();
    EXPECT_EQ(x, y) << dtype.name;
  }
}

TEST_F(ContextTest, HalfIsComputedWith) {
  const auto engine = Load(PlanOf("def forward(self, x):\n    return x + x\n", {Fixed("x", DataType::kHALF, {2})}));
  auto context = engine.CreateExecutionContext();
  uint16_t x[2] = {0x3c00, 0x4000};  // 1, 2
  uint16_t y[2] = {};
  ASSERT_TRUE(context.SetTensorAddress("x", x) && context.SetTensorAddress("output_0", y));
  ASSERT_TRUE(context.Enqueue(nullptr)) << TakeMessages();
  EXPECT_EQ(y[0], 0x4000);
  EXPECT_EQ(y[1], 0x4400);
}

TEST_F(ContextTest, TensorsMayHaveNoDimensionsOrNoElements) {
  const auto engine =
      Load(PlanOf("def forward(self, x, s):\n    return x * s, s + 1, x.sum()\n",
                  {Dynamic("x", DataType::kFLOAT, {{{0, 2}, {1, 2}, {4, 2}}}), Fixed("s", DataType::kFLOAT, {})}));
  auto context = engine.CreateExecutionContext();
  EXPECT_EQ(engine.Shape("s").nb, 0);
  float s = 3, next = 0, total = -1;
  float x = 0, y = 0;  // an address, for nothing
  ASSERT_TRUE(context.SetInputShape("x", {0, 2}));
  EXPECT_EQ(context.TensorShape("output_0"), Dims({0, 2}));
  EXPECT_EQ(context.TensorShape("output_1").nb, 0);
  ASSERT_TRUE(context.SetTensorAddress("x", &x) && context.SetTensorAddress("s", &s));
  ASSERT_TRUE(context.SetTensorAddress("output_0", &y) && context.SetTensorAddress("output_1", &next) &&
              context.SetTensorAddress("output_2", &total));
  ASSERT_TRUE(context.Enqueue(nullptr)) << TakeMessages();
  EXPECT_EQ(next, 4);
  EXPECT_EQ(total, 0);
  EXPECT_EQ(y, 0);
}

TEST_F(ContextTest, TheModulesErrorIsTold) {
  const auto engine =
      Load(PlanOf("def forward(self, x):\n    assert bool((x < 5).all()), \"too large\"\n    return x\n",
                  {Fixed("x", DataType::kFLOAT, {1})}));
  auto context = engine.CreateExecutionContext();
  float x = 9, y = -1;
  ASSERT_TRUE(context.SetTensorAddress("x", &x) && context.SetTensorAddress("output_0", &y));
  ExpectRefused(context.Enqueue(nullptr), "too large");
  EXPECT_EQ(y, -1);
  x = 4;
  ASSERT_TRUE(context.Enqueue(nullptr)) << TakeMessages();
  EXPECT_EQ(y, 4);
}

TEST_F(ContextTest, InputsAreOnlyRead) {
  const auto engine = Load(PlanThatWritesToItsInput());
  auto context = engine.CreateExecutionContext();
  std::vector<float> x = {1, 2, 3}, y(3);
  ASSERT_TRUE(context.SetInputTensorAddress("x", x.data()) && context.SetTensorAddress("output_0", y.data()));
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(context.Enqueue(nullptr)) << TakeMessages();
    EXPECT_EQ(y, std::vector<float>({2, 3, 4}));
    EXPECT_EQ(x, std::vector<float>({1, 2, 3}));
  }
}

TEST_F(ContextTest, AnOutputThatIsNotAsInferredIsAnError) {
  // Three rows at most for zeros and ones; the plan cannot see that other values give more.
  const auto engine = Load(PlanOf("def forward(self, x):\n    return torch.zeros([3 if bool((x < 2).all()) else 4])\n",
                                  {Fixed("x", DataType::kFLOAT, {1})}));
  auto context = engine.CreateExecutionContext();
  float x = 9;
  float y[4] = {-1, -1, -1, -1};
  ASSERT_TRUE(context.SetTensorAddress("x", &x) && context.SetTensorAddress("output_0", y));
  ExpectRefused(context.Enqueue(nullptr), "gave output \"output_0\" the shape [4]; inferred was [3]");
  EXPECT_EQ(y[0], -1) << "nothing is written";
}

TEST_F(ContextTest, ScratchMemoryOfTheCallerIsDemanded) {
  const auto engine = Load(TwoHeadsFixed());
  auto context = engine.CreateExecutionContext(tensorrt::ExecutionContextAllocationStrategy::kUSER_MANAGED);
  Heads heads(2);
  ASSERT_TRUE(heads.Bind(context));
  ExpectRefused(context.Enqueue(nullptr), "call setDeviceMemory");
  std::vector<char> scratch(static_cast<size_t>(engine.DeviceMemorySize()));
  ASSERT_GT(scratch.size(), 0u);
  context.SetDeviceMemory(scratch.data(), static_cast<int64_t>(scratch.size()));
  ASSERT_TRUE(context.Enqueue(nullptr)) << TakeMessages();
  heads.ExpectRight();
}

TEST_F(ContextTest, ContextsOfOneEngineRunAtOnce) {
  const auto engine = Load(TwoHeadsFixed());
  constexpr int kThreads = 8;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&engine, t] {
      auto context = engine.CreateExecutionContext();
      for (int i = 0; i < 200; ++i) {
        Heads heads(2, static_cast<float>(t * 1000 + i));
        ASSERT_TRUE(heads.Bind(context));
        ASSERT_TRUE(context.Enqueue(nullptr));
        heads.ExpectRight();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ContextTest, ContextsInferShapesAtOnce) {
  if (!AtLeast(8, 6)) return;  // one context a profile; the test above has fixed shapes
  const auto engine = Load(TwoHeads());
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 8; ++t) {
    threads.emplace_back([&engine, t] {
      auto context = engine.CreateExecutionContext();
      for (size_t i = 0; i < 200; ++i) {
        const size_t n = (t + i) % 16 + 1;
        ASSERT_TRUE(context.SetInputShape("x", {static_cast<int64_t>(n), 3}));
        ASSERT_EQ(context.TensorShape("sum"), Dims({static_cast<int64_t>(n)}));
        Heads heads(n);
        ASSERT_TRUE(heads.Bind(context));
        ASSERT_TRUE(context.Enqueue(nullptr));
        heads.ExpectRight();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace nacelle::reference
