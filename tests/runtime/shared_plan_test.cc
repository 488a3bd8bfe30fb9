// Engines of one plan share the deserialized plan if the release allows it.
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/stored_bytes.h"
#include "runtime/engine.h"
#include "runtime/engine_host_code.h"
#include "runtime/execute.h"
#include "runtime/internal/deserialized_plan.h"
#include "runtime/internal/loaded_engine.h"
#include "runtime/internal/reference_library.h"
#include "runtime/program.h"
#include "tests/runtime/tiny.h"

namespace nacelle::runtime {
namespace {

using SharedPlan = std::shared_ptr<const DeserializedPlan>;

std::shared_ptr<const StoredBytes> Stored(const std::string& plan) { return std::make_shared<const StoredBytes>(plan); }

SharedPlan Get(const std::string& plan) {
  return DeserializedPlan::Shared(OpenReferenceLibrary(), at::kCPU, Stored(plan));
}

// Plans that all have one hash: size and hash alone cannot tell them apart.
size_t SameHash(std::string_view /*plan*/) { return 1; }

SharedPlan GetFrom(SharedPlans& plans, const std::string& plan) {
  return plans.Get(OpenReferenceLibrary(), at::kCPU, Stored(plan));
}

std::string FixedPlan(const std::string& factor) {
  return testing::MakePlan("def forward(self, x):\n    return x * " + factor + "\n", {testing::Fixed("x", {2})});
}

// True if the library stands for a release in which an optimization profile belongs to one context.
bool OneContextAProfile() {
  const char* const release = std::getenv("NACELLE_REFERENCE_RELEASE");
  return release != nullptr &&
         (std::string_view(release).starts_with("8.") || std::string_view(release).starts_with("9."));
}

TEST(SharedPlan, OfFixedShapesIsReadOnce) {
  const std::string plan = FixedPlan("2");
  EXPECT_EQ(Get(plan), Get(plan));
  EXPECT_NE(Get(plan), Get(FixedPlan("3")));
}

TEST(SharedPlan, OfDynamicShapesIsReadOnceWhereProfilesCanBeShared) {
  const std::string plan = testing::AffinePlan();
  const SharedPlan one = Get(plan);
  EXPECT_EQ(one->AllowsManyContexts(), !OneContextAProfile());
  EXPECT_EQ(one == Get(plan), !OneContextAProfile());
}

TEST(SharedPlan, OfThoseThatMayBringCodeIsNotForOthers) {
  const std::string plan = FixedPlan("11");
  AllowEngineHostCode(true);
  const SharedPlan allowed = Get(plan);
  AllowEngineHostCode(false);
  EXPECT_NE(allowed, Get(plan));
}

TEST(SharedPlan, GoesWithTheLastOfItsEngines) {
  const std::string plan = FixedPlan("5");
  std::weak_ptr<const DeserializedPlan> gone;
  {
    const SharedPlan shared = Get(plan);
    gone = shared;
    EXPECT_EQ(Get(plan), shared);
  }
  EXPECT_TRUE(gone.expired());
  EXPECT_NE(Get(plan), nullptr);
}

TEST(SharedPlan, ThreadsGetTheSame) {
  const std::string plan = FixedPlan("7");
  std::vector<SharedPlan> got(8);
  std::vector<std::thread> threads;
  for (SharedPlan& mine : got) threads.emplace_back([&] { mine = Get(plan); });
  for (std::thread& thread : threads) thread.join();
  for (const SharedPlan& other : got) EXPECT_EQ(other, got.front());
}

TEST(SharedPlan, PlansWithOneSizeAndOneHashAreNotMixedUp) {
  SharedPlans plans(SameHash);
  const std::string twice = FixedPlan("2"), thrice = FixedPlan("3");
  ASSERT_EQ(twice.size(), thrice.size());
  const SharedPlan first = GetFrom(plans, twice);
  const SharedPlan second = GetFrom(plans, thrice);
  EXPECT_NE(first, second);
  EXPECT_EQ(second->bytes()->bytes(), thrice);
  EXPECT_EQ(first, GetFrom(plans, twice));
  EXPECT_EQ(second, GetFrom(plans, thrice));
}

TEST(SharedPlan, OneThatIsGoneLeavesTheOthersOfItsHash) {
  SharedPlans plans(SameHash);
  const std::string twice = FixedPlan("2"), thrice = FixedPlan("3"), fourfold = FixedPlan("4");
  SharedPlan first = GetFrom(plans, twice);
  const SharedPlan second = GetFrom(plans, thrice);
  first.reset();
  const SharedPlan third = GetFrom(plans, fourfold);
  EXPECT_NE(third, second);
  EXPECT_EQ(third, GetFrom(plans, fourfold));
  EXPECT_EQ(second, GetFrom(plans, thrice));
  EXPECT_EQ(GetFrom(plans, twice)->bytes()->bytes(), twice);
}

TEST(SharedPlan, ThreadsGetTheirOwnOfOneHash) {
  SharedPlans plans(SameHash);
  const std::vector<std::string> bytes = {FixedPlan("2"), FixedPlan("3"), FixedPlan("4")};
  std::vector<SharedPlan> got(12);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < got.size(); ++i) {
    threads.emplace_back([&, i] { got[i] = GetFrom(plans, bytes[i % bytes.size()]); });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i]->bytes()->bytes(), bytes[i % bytes.size()]);
    EXPECT_EQ(got[i], got[i % bytes.size()]);
  }
}

TEST(SharedPlan, BytesInAFileAreComparedToo) {
  const std::string plan = FixedPlan("13");
  const SharedPlan shared = Get(plan);
  shared->MoveBytesToFile();
  ASSERT_TRUE(shared->bytes()->in_file());
  EXPECT_EQ(shared->bytes()->bytes(), plan);
  EXPECT_EQ(shared, Get(plan));
}

c10::intrusive_ptr<Engine> EngineOf(const std::string& plan) {
  return FindEngines(testing::Embedded(plan)).front().engine();
}

TEST(SharedPlan, ACopyOfAnEngineHasItWithoutReadingIt) {
  const auto engine = EngineOf(FixedPlan("17"));
  const auto copy = engine->Copy();
  EXPECT_EQ(copy->plan(), engine->plan());
  EXPECT_EQ(&copy->loaded()->plan(), &engine->loaded()->plan());
  EXPECT_EQ(copy->identity(), engine->identity());
  EXPECT_NE(copy->identity(), EngineOf(FixedPlan("19"))->identity());
}

TEST(SharedPlan, ACopyOfAnEngineWhoseContextsCannotShareItHasItsOwn) {
  const auto engine = EngineOf(testing::AffinePlan());
  const auto copy = engine->Copy();
  EXPECT_EQ(copy->plan(), engine->plan());
  for (const auto& each : {engine, copy}) {
    EXPECT_TRUE(at::equal(Execute(*each, {at::ones({2, 3})})[0], at::full({2, 3}, 3)));
  }
  EXPECT_EQ(&copy->loaded()->plan() == &engine->loaded()->plan(), !OneContextAProfile());
}

TEST(SharedPlan, ACopyOfAnEngineThatWasNotSetUpIsNotSetUp) {
  const InspectOnly inspect;
  const auto engine = c10::make_intrusive<Engine>(EngineOf(FixedPlan("23"))->CompleteRecord());
  const auto copy = engine->Copy();
  EXPECT_NE(copy->Describe().find("not set up"), std::string::npos);
  EXPECT_TRUE(at::equal(Execute(*copy, {at::ones({2})})[0], at::full({2}, 23)));
}

}  // namespace
}  // namespace nacelle::runtime
