#include "core/record/base64.h"

#include <array>
#include <cstdint>
#include <cstring>

#include "core/error.h"
#include "core/text.h"

namespace nacelle::record {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint32_t kInvalid = 1u << 31;

// The six bits that each character stands for, shifted to their place in a group of four characters; kInvalid for a
// byte outside the alphabet. Four look-ups and one test decode a group.
using Table = std::array<uint32_t, 256>;

constexpr Table MakeTable(int shift) {
  Table table{};
  for (uint32_t& entry : table) entry = kInvalid;
  for (size_t i = 0; i < kAlphabet.size(); ++i) {
    table[static_cast<uint8_t>(kAlphabet[i])] = static_cast<uint32_t>(i) << shift;
  }
  return table;
}

constexpr Table kFirst = MakeTable(18);
constexpr Table kSecond = MakeTable(12);
constexpr Table kThird = MakeTable(6);
constexpr Table kFourth = MakeTable(0);

// The two characters that stand for each twelve bits: two look-ups encode a group.
constexpr std::array<std::array<char, 2>, 4096> MakePairs() {
  std::array<std::array<char, 2>, 4096> pairs{};
  for (size_t i = 0; i < pairs.size(); ++i) pairs[i] = {kAlphabet[i >> 6], kAlphabet[i & 63]};
  return pairs;
}

constexpr std::array<std::array<char, 2>, 4096> kPairs = MakePairs();

uint8_t At(std::string_view text, size_t index) { return static_cast<uint8_t>(text[index]); }

// The place of a part in its whole text.
struct Place {
  size_t start;
  size_t size;

  std::string At(size_t index) const { return Cat("at position ", start + index, " of ", size); }
};

// Throws the error of the four characters of `part` at `start`, which do not decode.
[[noreturn]] void ThrowBadGroup(std::string_view part, const Place& place, size_t start) {
  for (size_t i = start; i < start + 4; ++i) {
    if (part[i] == '=') {
      throw RecordError(Cat("base64 has padding ", place.At(i),
                            "; wanted at most two '=', and these at the end, after at least two characters"));
    }
    if (kFourth[At(part, i)] == kInvalid) {
      throw RecordError(
          Cat("base64 has ", Quote(part.substr(i, 1)), " ", place.At(i), "; wanted A-Z, a-z, 0-9, '+' or '/'"));
    }
  }
  throw RecordError(Cat("base64 is malformed ", place.At(start)));
}

[[noreturn]] void ThrowTrailingBits(std::string_view part, const Place& place, size_t at) {
  throw RecordError(
      Cat("base64 has ", Quote(part.substr(at, 1)), " ", place.At(at),
          ", before padding; wanted a character whose unused low bits are zero, as every encoder writes"));
}

// Decodes the last group, which ends in `padding` (1 or 2) '='; writes 3 - padding bytes.
void DecodePadded(std::string_view part, const Place& place, size_t start, size_t padding, char* out) {
  const uint32_t bits =
      kFirst[At(part, start)] | kSecond[At(part, start + 1)] | (padding == 1 ? kThird[At(part, start + 2)] : 0);
  if ((bits & kInvalid) != 0) ThrowBadGroup(part, place, start);
  const uint32_t unused = padding == 1 ? 0xffu : 0xffffu;
  if ((bits & unused) != 0) ThrowTrailingBits(part, place, start + 3 - padding);
  out[0] = static_cast<char>(bits >> 16);
  if (padding == 1) out[1] = static_cast<char>(bits >> 8 & 0xff);
}

size_t PaddingOf(std::string_view text) { return text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0; }

}  // namespace

std::string Base64Encode(std::string_view bytes) {
  std::string text(Base64Size(bytes.size()), '=');
  char* out = text.data();
  size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3, out += 4) {
    const uint32_t bits = At(bytes, i) << 16 | At(bytes, i + 1) << 8 | At(bytes, i + 2);
    std::memcpy(out, kPairs[bits >> 12].data(), 2);
    std::memcpy(out + 2, kPairs[bits & 4095].data(), 2);
  }
  const size_t rest = bytes.size() - i;
  if (rest != 0) {
    const uint32_t bits = At(bytes, i) << 16 | (rest == 2 ? At(bytes, i + 1) << 8 : 0);
    std::memcpy(out, kPairs[bits >> 12].data(), 2);
    if (rest == 2) out[2] = kAlphabet[bits >> 6 & 63];
  }
  return text;
}

std::string Base64Decode(std::string_view text) { return Base64DecodePart(text, 0, text.size()); }

std::string Base64DecodePart(std::string_view part, size_t start, size_t size) {
  if (size % 4 != 0) {
    throw RecordError(Cat("base64 of ", size, " characters; wanted a multiple of four (is it cut off?)"));
  }
  if (start > size || part.size() > size - start || start % 4 != 0 || part.size() % 4 != 0) {
    throw InputError(Cat("a part of ", part.size(), " characters at position ", start, " of base64 of ", size,
                         " characters; wanted multiples of four within the text"));
  }
  if (part.empty()) return {};
  const Place place{start, size};
  const size_t padding = start + part.size() == size ? PaddingOf(part) : 0;
  std::string bytes(part.size() / 4 * 3 - padding, '\0');
  char* out = bytes.data();
  const size_t whole = padding == 0 ? part.size() : part.size() - 4;
  for (size_t i = 0; i < whole; i += 4, out += 3) {
    const uint32_t bits =
        kFirst[At(part, i)] | kSecond[At(part, i + 1)] | kThird[At(part, i + 2)] | kFourth[At(part, i + 3)];
    if ((bits & kInvalid) != 0) ThrowBadGroup(part, place, i);
    out[0] = static_cast<char>(bits >> 16);
    out[1] = static_cast<char>(bits >> 8 & 0xff);
    out[2] = static_cast<char>(bits & 0xff);
  }
  if (padding != 0) DecodePadded(part, place, whole, padding, out);
  return bytes;
}

}  // namespace nacelle::record
