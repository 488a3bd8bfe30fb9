#include "core/record/base64.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <tuple>

#include "core/error.h"
#include "tests/core/throws.h"

namespace nacelle::record {
namespace {

using testing_support::ExpectHas;
using testing_support::MessageOf;

std::string RandomBytes(size_t count) {
  std::mt19937 random(7);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

TEST(Base64, VectorsOfRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(Base64Encode(bytes), text);
    EXPECT_EQ(Base64Decode(text), bytes);
    EXPECT_EQ(Base64Size(std::string(bytes).size()), std::string(text).size());
  }
}

TEST(Base64, EveryByteInEveryPlaceComesBack) {
  for (size_t length = 0; length < 70; ++length) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string bytes(length, static_cast<char>(byte));
      if (length > 1) bytes[length / 2] = static_cast<char>(~byte);
      ASSERT_EQ(Base64Decode(Base64Encode(bytes)), bytes);
    }
  }
}

TEST(Base64, LargeTextsComeBack) {
  for (const size_t length : {(1u << 20), (1u << 20) + 1, (1u << 20) + 2}) {
    const std::string bytes = RandomBytes(length);
    EXPECT_EQ(Base64Decode(Base64Encode(bytes)), bytes);
  }
}

// Decodes in parts of `length` characters.
std::string DecodeInParts(std::string_view text, size_t length) {
  std::string bytes;
  for (size_t start = 0; start < text.size(); start += length) {
    bytes += Base64DecodePart(text.substr(start, length), start, text.size());
  }
  return bytes;
}

TEST(Base64, PartsGiveTheWhole) {
  for (size_t count = 0; count < 40; ++count) {
    const std::string bytes = RandomBytes(count);
    const std::string text = Base64Encode(bytes);
    for (size_t length = 4; length <= text.size() + 4; length += 4) EXPECT_EQ(DecodeInParts(text, length), bytes);
  }
}

// Whatever is wrong, and wherever a text is cut: parts are refused with the words that the whole is refused with.
TEST(Base64, PartsAreRefusedAsTheWholeIs) {
  const std::string good = Base64Encode(RandomBytes(10));
  const auto expect_same = [](const std::string& bad) {
    const std::string wanted = MessageOf<RecordError>([&] { Base64Decode(bad); });
    for (const size_t length : {4, 8, 12}) {
      EXPECT_EQ(MessageOf<RecordError>([&] { DecodeInParts(bad, length); }), wanted);
    }
  };
  for (size_t i = 0; i < good.size(); ++i) {
    for (const char character : {'=', '\0', '\n', '-', '\xff'}) {
      std::string bad = good;
      bad[i] = character;
      if (bad != good) expect_same(bad);
    }
  }
  for (size_t size = 1; size < good.size(); ++size) {
    if (size % 4 != 0) expect_same(good.substr(0, size));
  }
}

TEST(Base64, PartsThatAreNoPartsAreRefused) {
  const size_t most = std::numeric_limits<size_t>::max() - 3;
  for (const auto& [part, start, size] : {std::tuple<std::string, size_t, size_t>{"Zm9v", 2, 8},
                                          {"Zm9", 0, 8},
                                          {"Zm9vZm9v", 4, 8},
                                          {"Zm9v", 8, 4},
                                          {"Zm9v", most, 8},
                                          {"", 12, 8}}) {
    ExpectHas(MessageOf<InputError>([&] { Base64DecodePart(part, start, size); }), "wanted multiples of four");
  }
}

// Each byte outside the alphabet, at each place of a group that is followed by others and of the last one.
TEST(Base64, EveryBadCharacterIsRefusedWhereItIs) {
  const std::string good = Base64Encode(RandomBytes(12));
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (int byte = 0; byte < 256; ++byte) {
    if (alphabet.find(static_cast<char>(byte)) != std::string::npos) continue;
    for (size_t i = 0; i < good.size(); ++i) {
      std::string bad = good;
      bad[i] = static_cast<char>(byte);
      if (byte == '=' && i + 1 == good.size()) continue;  // padding in its place
      ExpectHas(MessageOf<RecordError>([&] { Base64Decode(bad); }),
                "at position " + std::to_string(i) + " of " + std::to_string(good.size()));
    }
  }
}

struct BadCase {
  std::string text;
  std::string message;
};

class Base64BadTest : public testing::TestWithParam<BadCase> {};

TEST_P(Base64BadTest, IsRefused) {
  ExpectHas(MessageOf<RecordError>([&] { Base64Decode(GetParam().text); }), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    All, Base64BadTest,
    testing::Values(BadCase{"Z", "of 1 characters; wanted a multiple of four"}, BadCase{"Zm9vY", "of 5 characters"},
                    BadCase{"Zg=", "of 3 characters"}, BadCase{"====", "padding at position 0"},
                    BadCase{"Z===", "padding at position 1"}, BadCase{"Zg==Zg==", "padding at position 2 of 8"},
                    BadCase{"Zm8=Zm9v", "padding at position 3 of 8"}, BadCase{"Zg=v", "padding at position 2"},
                    BadCase{"Zm9v\nZm9", "\"\\x0a\" at position 4"}, BadCase{"Zm9-", "\"-\" at position 3"},
                    BadCase{"Z!==", "\"!\" at position 1"}, BadCase{"Zm!=", "\"!\" at position 2"},
                    // The bits behind the last byte: 'g' is 100000, 'h' 100001; '8' is 111100, '9' 111101.
                    BadCase{"Zh==", "\"h\" at position 1 of 4, before padding"},
                    BadCase{"Zm9=", "\"9\" at position 2 of 4, before padding"}));

}  // namespace
}  // namespace nacelle::record
