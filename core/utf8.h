// Checks of UTF-8 in foreign text: the names in plans and records may hold any bytes. Pure functions: any thread may
// call them.
#ifndef NACELLE_CORE_UTF8_H_
#define NACELLE_CORE_UTF8_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace nacelle::utf8 {

// Returns the length of the well-formed UTF-8 character at the start of `text`, which is not empty; 0 if there is none.
size_t CharacterLength(std::string_view text);

// Appends each byte to `out` as \xNN.
void AppendEscaped(std::string_view bytes, std::string& out);

// Returns `text` with each byte that is not UTF-8 as \xNN, for strings that hold UTF-8 only, as Python's do.
std::string Valid(std::string_view text);

}  // namespace nacelle::utf8

#endif  // NACELLE_CORE_UTF8_H_
