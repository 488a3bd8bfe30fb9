#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <span>
#include <vector>

namespace {

TEST(Language, IsCpp20) {
  std::vector<int> values{1, 2, 3};
  EXPECT_THAT(std::span<int>(values).subspan(1), testing::ElementsAre(2, 3));
}

}  // namespace
