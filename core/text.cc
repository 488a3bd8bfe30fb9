#include "core/text.h"

#include <cstdint>
#include <cstdio>

namespace nacelle {
namespace {

bool IsContinuation(std::string_view text, size_t at) {
  return at < text.size() && (static_cast<uint8_t>(text[at]) & 0xc0) == 0x80;
}

// The length of the well-formed UTF-8 character at the start of `text`, 0 where there is none. The bounds of the second
// byte keep out overlong forms, surrogates and what lies beyond U+10FFFF (Unicode, table 3-7).
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

// Control characters: U+0000 to U+001F, U+007F, and U+0080 to U+009F, which some terminals obey as well.
bool IsControl(std::string_view character) {
  const auto first = static_cast<uint8_t>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7f;
  return first == 0xc2 && static_cast<uint8_t>(character[1]) < 0xa0;
}

void AppendEscaped(std::string_view bytes, std::string& out) {
  for (const char c : bytes) {
    char escaped[5];
    std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned>(static_cast<uint8_t>(c)));
    out += escaped;
  }
}

}  // namespace

std::string Quote(std::string_view text, size_t limit) {
  std::string out = "\"";
  size_t at = 0;
  while (at < text.size()) {
    const size_t length = CharacterLength(text.substr(at));
    const std::string_view character = text.substr(at, length == 0 ? 1 : length);
    if (at + character.size() > limit) break;
    at += character.size();
    if (length == 0 || IsControl(character)) {
      AppendEscaped(character, out);
    } else {
      if (character == "\"" || character == "\\") out += '\\';
      out += character;
    }
  }
  out += '"';
  if (at < text.size()) out += Cat("… (", text.size(), " bytes)");
  return out;
}

}  // namespace nacelle
