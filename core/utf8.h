// UTF-8 in texts of others: plans and records may hold any bytes as names. Calls may run at once on any thread.
#ifndef NACELLE_CORE_UTF8_H_
#define NACELLE_CORE_UTF8_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace nacelle::utf8 {

// The length of the well-formed UTF-8 character at the start of `text`, which is not empty; 0 if there is none.
size_t CharacterLength(std::string_view text);

// Appends each byte as \xNN.
void AppendEscaped(std::string_view bytes, std::string& out);

// `text` with each byte that is not UTF-8 as \xNN, for readers whose strings hold UTF-8 only, as Python's do.
std::string Valid(std::string_view text);

}  // namespace nacelle::utf8

#endif  // NACELLE_CORE_UTF8_H_
