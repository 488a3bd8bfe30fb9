// Engines of one plan share what the library made of it, where the release lets them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "runtime/engine_host_code.h"
#include "runtime/internal/deserialized_plan.h"
#include "runtime/internal/reference_library.h"
#include "tests/runtime/tiny.h"

namespace nacelle::runtime {
namespace {

using SharedPlan = std::shared_ptr<const DeserializedPlan>;

SharedPlan Get(const std::string& plan) { return DeserializedPlan::Shared(OpenReferenceLibrary(), at::kCPU, plan); }

std::string FixedPlan(const std::string& factor) {
  return testing::MakePlan("def forward(self, x):\n    return x * " + factor + "\n", {testing::Fixed("x", {2})});
}

// Whether the library stands for a release in which a profile belongs to one context.
bool OneContextAProfile() {
  const char* const release = std::getenv("NACELLE_REFERENCE_RELEASE");
  return release != nullptr && std::string_view(release).starts_with("8.");
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

}  // namespace
}  // namespace nacelle::runtime
