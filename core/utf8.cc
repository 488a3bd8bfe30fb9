#include "core/utf8.h"

#include <cstdint>
#include <cstdio>

namespace nacelle::utf8 {
namespace {

bool IsContinuation(std::string_view text, size_t at) {
  return at < text.size() && (static_cast<uint8_t>(text[at]) & 0xc0) == 0x80;
}

}  // namespace

// The bounds of the second byte keep out overlong forms, surrogates and code points above U+10FFFF (Unicode, table
// 3-7).
size_t CharacterLength(std::string_view text) {
  const auto first = static_cast<uint8_t>(text[0]);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4 || !IsContinuation(text, 1)) return 0;
  const auto second = static_cast<uint8_t>(text[1]);
  if (first < 0xe0) return 2;
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) || !IsContinuation(text, 2)) return 0;
  if (first < 0xf0) return 3;
  if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f) || !IsContinuation(text, 3)) return 0;
  return 4;
}

void AppendEscaped(std::string_view bytes, std::string& out) {
  for (const char c : bytes) {
    char escaped[5];
    std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned>(static_cast<uint8_t>(c)));
    out += escaped;
  }
}

std::string Valid(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t length = CharacterLength(text.substr(at));
    if (length == 0) {
      AppendEscaped(text.substr(at, 1), out);
    } else {
      out += text.substr(at, length);
    }
    at += length == 0 ? 1 : length;
  }
  return out;
}

}  // namespace nacelle::utf8
