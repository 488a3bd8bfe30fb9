#include "core/text.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>

#include "core/utf8.h"

namespace nacelle {
namespace {

struct Range {
  uint32_t first;
  uint32_t last;
};

// Characters that a terminal obeys, or that show a line in another order or not at all.
constexpr Range kUnprintable[] = {
    {0x00, 0x1f},        // control characters
    {0x7f, 0x9f},        // more of them, which some terminals obey as well
    {0x061c, 0x061c},    // a mark of the writing direction
    {0x200e, 0x200f},    // the same
    {0x2028, 0x202e},    // separators of lines; embeddings and overrides of the direction
    {0x2066, 0x2069},    // isolates of the direction
    {0xfeff, 0xfeff},    // the byte order mark
    {0xfff9, 0xfffb},    // marks of annotations
    {0xe0000, 0xe007f},  // tags
};

// The code point of a well-formed character.
uint32_t CodePoint(std::string_view character) {
  const auto first = static_cast<uint8_t>(character[0]);
  if (character.size() == 1) return first;
  uint32_t point = first & (0x7fu >> character.size());
  for (const char c : character.substr(1)) point = point << 6 | (static_cast<uint8_t>(c) & 0x3f);
  return point;
}

// The character or stray byte at the start of `text`, which is not empty.
std::string_view FirstOf(std::string_view text) {
  return text.substr(0, std::max<size_t>(utf8::CharacterLength(text), 1));
}

// Appends what FirstOf gave.
void AppendPrintable(std::string_view character, std::string& out) {
  if (utf8::CharacterLength(character) == 0) return utf8::AppendEscaped(character, out);
  const uint32_t point = CodePoint(character);
  const auto holds = [&](const Range& range) { return range.first <= point && point <= range.last; };
  if (std::ranges::none_of(kUnprintable, holds)) {
    out += character;
  } else if (point <= 0xff) {
    utf8::AppendEscaped(character, out);
  } else {
    char escaped[11];
    std::snprintf(escaped, sizeof escaped, point <= 0xffff ? "\\u%04x" : "\\U%08x", static_cast<unsigned>(point));
    out += escaped;
  }
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const std::string_view character = FirstOf(text.substr(at));
    AppendPrintable(character, out);
    at += character.size();
  }
  return out;
}

std::string Quote(std::string_view text, size_t limit) {
  std::string out = "\"";
  size_t at = 0;
  while (at < text.size()) {
    const std::string_view character = FirstOf(text.substr(at));
    if (at + character.size() > limit) break;
    at += character.size();
    if (character == "\"" || character == "\\") out += '\\';
    AppendPrintable(character, out);
  }
  out += '"';
  if (at < text.size()) out += Cat("… (", text.size(), " bytes)");
  return out;
}

}  // namespace nacelle
