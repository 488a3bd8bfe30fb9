#include "core/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace nacelle::utf8 {
namespace {

TEST(Valid, KeepsWhatIsUtf8) {
  for (const std::string text : {"", "abc", "größe €\U0001F600", "a\n\x1b[31m\"\\"}) EXPECT_EQ(Valid(text), text);
}

TEST(Valid, ShowsOtherBytes) {
  EXPECT_EQ(Valid("\xff"), "\\xff");
  EXPECT_EQ(Valid("a\xc3"), "a\\xc3");                  // cut off
  EXPECT_EQ(Valid("\xc3\xa4\x80z"), "\xc3\xa4\\x80z");  // a continuation alone
  EXPECT_EQ(Valid("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
}

TEST(CharacterLength, IsThatOfTheFirst) {
  EXPECT_EQ(CharacterLength("ab"), 1U);
  EXPECT_EQ(CharacterLength("\xc3\xa4"), 2U);
  EXPECT_EQ(CharacterLength("\xc3"), 0U);
}

}  // namespace
}  // namespace nacelle::utf8
