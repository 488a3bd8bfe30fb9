#include "core/text.h"

#include <cstdint>

#include "core/utf8.h"

namespace nacelle {
namespace {

// Control characters: U+0000 to U+001F, U+007F, and U+0080 to U+009F, which some terminals obey as well.
bool IsControl(std::string_view character) {
  const auto first = static_cast<uint8_t>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7f;
  return first == 0xc2 && static_cast<uint8_t>(character[1]) < 0xa0;
}

}  // namespace

std::string Quote(std::string_view text, size_t limit) {
  std::string out = "\"";
  size_t at = 0;
  while (at < text.size()) {
    const size_t length = utf8::CharacterLength(text.substr(at));
    const std::string_view character = text.substr(at, length == 0 ? 1 : length);
    if (at + character.size() > limit) break;
    at += character.size();
    if (length == 0 || IsControl(character)) {
      utf8::AppendEscaped(character, out);
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
