#include "core/error.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace nacelle {
namespace {

template <typename T>
class ErrorTest : public testing::Test {};

struct Names {
  template <typename T>
  static std::string GetName(int) {
    return ErrorClassName(T("").kind());
  }
};

using Errors = testing::Types<RecordError, DeviceError, PlanError, LibraryError, InputError, ExecutionError>;
TYPED_TEST_SUITE(ErrorTest, Errors, Names);

TYPED_TEST(ErrorTest, IsCaughtAsItselfAndAsItsBases) {
  const auto throws = [] { throw TypeParam("what happened"); };
  EXPECT_THROW(throws(), TypeParam);
  EXPECT_THROW(throws(), std::runtime_error);
  try {
    throws();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "what happened");
  }
}

TEST(Error, IsValidUtf8ThatATerminalDoesNotObey) {
  EXPECT_STREQ(InputError("wanted x\xff\n  é\x1b[31m\u202e").what(), "wanted x\\xff\n  é\\x1b[31m\\u202e");
  EXPECT_STREQ(InputError("").what(), "");
  EXPECT_STREQ(InputError("\na\n").what(), "\na\n");
}

TEST(ErrorClassName, IsTheNameOfTheClass) {
  EXPECT_STREQ(ErrorClassName(RecordError("").kind()), "RecordError");
  EXPECT_STREQ(ErrorClassName(DeviceError("").kind()), "DeviceError");
  EXPECT_STREQ(ErrorClassName(PlanError("").kind()), "PlanError");
  EXPECT_STREQ(ErrorClassName(LibraryError("").kind()), "LibraryError");
  EXPECT_STREQ(ErrorClassName(InputError("").kind()), "InputError");
  EXPECT_STREQ(ErrorClassName(ExecutionError("").kind()), "ExecutionError");
}

}  // namespace
}  // namespace nacelle
