// The library in a process whose NACELLE_REFERENCE_RELEASE names no known release.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "tests/core/throws.h"
#include "tests/reference/networks.h"

namespace nacelle::reference {
namespace {

using testing_support::ExpectHas;

template <typename Function>
Function* Entry(const char* name) {
  const char* path = std::getenv("NACELLE_REFERENCE_LIBRARY");
  void* const library = dlopen(path != nullptr ? path : "./reference/libnacelle_reference.so", RTLD_NOW);
  EXPECT_NE(library, nullptr) << dlerror();
  void* const function = dlsym(library, name);
  EXPECT_NE(function, nullptr) << name;
  return reinterpret_cast<Function*>(function);
}

TEST(UnknownRelease, GivesNoRuntimeAndSaysWhy) {
  // Needs torch, and so brings it into the process, where the library looks for it first.
  ASSERT_FALSE(TwoHeads().empty());
  ASSERT_EQ(setenv("NACELLE_REFERENCE_RELEASE", "9.9", 1), 0);
  testing::internal::CaptureStderr();
  EXPECT_EQ(Entry<int32_t()>("getInferLibVersion")(), 0);
  const std::string message = testing::internal::GetCapturedStderr();
  ExpectHas(message, "NACELLE_REFERENCE_RELEASE is \"9.9\", which is no release that it can present");
  ExpectHas(message, "8.6.1.5");

  int logger = 0;  // no ILogger: without a release, its layout is not known, and it is not looked at
  testing::internal::CaptureStderr();
  EXPECT_EQ((Entry<void*(void*, int32_t)>("createInferRuntime_INTERNAL")(&logger, 10000)), nullptr);
  EXPECT_EQ((Entry<void*(void*, int32_t)>("createInferBuilder_INTERNAL")(&logger, 10000)), nullptr);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "") << "said once";

  setenv("NACELLE_REFERENCE_RELEASE", "8.6", 1);
  EXPECT_EQ(Entry<int32_t()>("getInferLibVersion")(), 0) << "read once";
}

}  // namespace
}  // namespace nacelle::reference
