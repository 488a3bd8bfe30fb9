#include "core/text.h"

#include <gtest/gtest.h>

#include <locale>
#include <string>
#include <vector>

namespace nacelle {
namespace {

// A locale that writes 1234567 as 1'234'567.
struct Grouped : std::numpunct<char> {
  char do_thousands_sep() const override { return '\''; }
  std::string do_grouping() const override { return "\3"; }
};

TEST(Cat, PrintsOneAfterTheOther) { EXPECT_EQ(Cat("a", 1, 'b', 2.5), "a1b2.5"); }

TEST(Cat, WritesNumbersTheSameInEveryLocale) {
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Grouped));
  const std::string one = Cat(1234567);
  const std::string several = Join(std::vector{1234567, 7654321}, ", ");
  std::locale::global(before);
  EXPECT_EQ(one, "1234567");
  EXPECT_EQ(several, "1234567, 7654321");
}

TEST(Join, PutsTheSeparatorBetween) {
  EXPECT_EQ(Join(std::vector<std::string>{}, ", "), "");
  EXPECT_EQ(Join(std::vector<std::string>{"a"}, ", "), "a");
  EXPECT_EQ(Join(std::vector<std::string>{"a", "", "b"}, ", "), "a, , b");
}

struct QuoteCase {
  std::string text;
  size_t limit;
  std::string wanted;
};

class QuoteTest : public testing::TestWithParam<QuoteCase> {};

TEST_P(QuoteTest, Gives) { EXPECT_EQ(Quote(GetParam().text, GetParam().limit), GetParam().wanted); }

INSTANTIATE_TEST_SUITE_P(Plain, QuoteTest,
                         testing::Values(QuoteCase{"", 80, R"("")"}, QuoteCase{"abc", 80, R"("abc")"},
                                         QuoteCase{"a\"b\\c", 80, R"("a\"b\\c")"},
                                         QuoteCase{std::string("a\0\n\x7f", 4), 80, R"("a\x00\x0a\x7f")"},
                                         QuoteCase{"größe €\U0001F600", 80, "\"größe €\U0001F600\""}));

INSTANTIATE_TEST_SUITE_P(NotUtf8, QuoteTest,
                         testing::Values(QuoteCase{"\x80", 80, R"("\x80")"},          // a continuation alone
                                         QuoteCase{"\xc3", 80, R"("\xc3")"},          // cut off
                                         QuoteCase{"\xe2\x82", 80, R"("\xe2\x82")"},  // cut off
                                         QuoteCase{"\xc0\xaf", 80, R"("\xc0\xaf")"},  // overlong '/'
                                         QuoteCase{"\xe0\x80\xaf", 80, R"("\xe0\x80\xaf")"},
                                         QuoteCase{"\xf0\x80\x80\xaf", 80, R"("\xf0\x80\x80\xaf")"},
                                         QuoteCase{"\xed\xa0\x80", 80, R"("\xed\xa0\x80")"},          // a surrogate
                                         QuoteCase{"\xf4\x90\x80\x80", 80, R"("\xf4\x90\x80\x80")"},  // > U+10FFFF
                                         QuoteCase{"\xf5\xff", 80, R"("\xf5\xff")"},
                                         QuoteCase{"\xc3\xa9\xff\xc3\xa9", 80, "\"é\\xffé\""},
                                         QuoteCase{"\xc2\x9b", 80, R"("\xc2\x9b")"}));  // a control character

// Characters that a terminal obeys, or shows in another order or not at all: the first and last of each range, and
// their neighbours, which stay.
INSTANTIATE_TEST_SUITE_P(Unprintable, QuoteTest,
                         testing::Values(QuoteCase{"\x1b]0;x\x07", 80, R"("\x1b]0;x\x07")"},
                                         QuoteCase{"\xc2\x80\xc2\x9f\u00a0", 80, "\"\\xc2\\x80\\xc2\\x9f\u00a0\""},
                                         QuoteCase{"\u061b\u061c\u061d", 80, "\"\u061b\\u061c\u061d\""},
                                         QuoteCase{"\u200d\u200e\u200f\u2010", 80, "\"\u200d\\u200e\\u200f\u2010\""},
                                         QuoteCase{"\u2027\u2028\u202e\u202f", 80, "\"\u2027\\u2028\\u202e\u202f\""},
                                         QuoteCase{"\u2065\u2066\u2069\u206a", 80, "\"\u2065\\u2066\\u2069\u206a\""},
                                         QuoteCase{"\ufefe\ufeff\uff00", 80, "\"\ufefe\\ufeff\uff00\""},
                                         QuoteCase{"\ufff8\ufff9\ufffb\ufffc", 80, "\"\ufff8\\ufff9\\ufffb\ufffc\""},
                                         QuoteCase{"\U000e0000\U000e007f\U000e0080", 80,
                                                   "\"\\U000e0000\\U000e007f\U000e0080\""}));

TEST(Printable, EscapesTheSameAndLeavesQuotes) {
  EXPECT_EQ(Printable(""), "");
  EXPECT_EQ(Printable("a\"b\\c\n"), "a\"b\\c\\x0a");
  EXPECT_EQ(Printable("é\xff\u202e\U000e0041\U0001F600"), "é\\xff\\u202e\\U000e0041\U0001F600");
  EXPECT_EQ(Printable(std::string(200, 'x')), std::string(200, 'x'));
}

INSTANTIATE_TEST_SUITE_P(Long, QuoteTest,
                         testing::Values(QuoteCase{"abcd", 4, R"("abcd")"},
                                         QuoteCase{"abcde", 4, R"("abcd"… (5 bytes))"},
                                         QuoteCase{"abc€", 4, R"("abc"… (6 bytes))"},  // not inside the character
                                         QuoteCase{"abc€", 6, R"("abc€")"},
                                         QuoteCase{"a\xff\xff", 2, R"("a\xff"… (3 bytes))"},
                                         QuoteCase{"abc", 0, R"(""… (3 bytes))"}));

// An independent look at the whole: decodes UTF-8 by computing code points.
bool IsUtf8(const std::string& text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const int more = byte < 0x80 ? 0 : byte >> 5 == 6 ? 1 : byte >> 4 == 14 ? 2 : byte >> 3 == 30 ? 3 : -1;
    if (more < 0 || i + static_cast<size_t>(more) >= text.size()) return false;
    unsigned point = more == 0 ? byte : byte & (0x3fu >> more);
    for (int k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(text[i + static_cast<size_t>(k)]);
      if (next >> 6 != 2) return false;
      point = point << 6 | (next & 0x3f);
    }
    constexpr unsigned kSmallest[] = {0, 0x80, 0x800, 0x10000};
    if (point < kSmallest[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return false;
    i += static_cast<size_t>(more) + 1;
  }
  return true;
}

TEST(Quote, IsAlwaysUtf8) {
  // Every pair of bytes after a first one that begins a longer character, cut at every length.
  const std::string tails[] = {"", "\x80", "\x80\x80"};
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      for (const std::string& tail : tails) {
        const std::string text = std::string{static_cast<char>(first), static_cast<char>(second)} + tail;
        for (size_t limit = 0; limit <= text.size(); ++limit) {
          ASSERT_TRUE(IsUtf8(Quote(text, limit))) << first << " " << second << " " << tail.size() << " " << limit;
        }
      }
    }
  }
}

}  // namespace
}  // namespace nacelle
