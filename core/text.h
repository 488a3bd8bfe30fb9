// Building of messages. Not for hot paths: it allocates. Calls may run at once on any thread.
#ifndef NACELLE_CORE_TEXT_H_
#define NACELLE_CORE_TEXT_H_

#include <cstddef>
#include <locale>
#include <sstream>
#include <string>
#include <string_view>

namespace nacelle {

// The arguments as operator<< prints them in the "C" locale (a program's own would put separators into numbers), one
// after the other.
template <typename... Args>
std::string Cat(const Args&... args) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  (out << ... << args);
  return out.str();
}

// The items with `separator` between them: Join({"a", "b"}, ", ") is "a, b".
template <typename Range>
std::string Join(const Range& items, std::string_view separator) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  bool first = true;
  for (const auto& item : items) {
    if (!first) out << separator;
    out << item;
    first = false;
  }
  return out.str();
}

// Returns `text` for a terminal, always valid UTF-8. Printable characters stay. Bytes that are not UTF-8 and control
// characters become \xNN. Characters that reorder or hide text become \uNNNN or \UNNNNNNNN: marks of the writing
// direction, separators of lines, a byte order mark, marks of annotations, tags.
std::string Printable(std::string_view text);

// Returns Printable(text) in double quotes for an error message, with `"` and `\` behind a backslash. Longer text is
// cut after at most `limit` bytes, between two characters, with a note of the whole length, so that a hostile field
// cannot flood a terminal.
std::string Quote(std::string_view text, size_t limit = 80);

}  // namespace nacelle

#endif  // NACELLE_CORE_TEXT_H_
