// Base64 of RFC 4648: standard alphabet, padded, no line breaks.
//
// Strict: the decoder accepts only the text that the encoder writes for the same bytes. Pure functions, for inputs of
// any size: calls may run at once on any thread.
#ifndef NACELLE_CORE_RECORD_BASE64_H_
#define NACELLE_CORE_RECORD_BASE64_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace nacelle::record {

// Returns the characters of the encoding of `bytes` bytes.
constexpr size_t Base64Size(size_t bytes) { return bytes / 3 * 4 + (bytes % 3 != 0 ? 4 : 0); }

std::string Base64Encode(std::string_view bytes);

// Returns the decoded bytes. Throws RecordError with the fault and its position: a length that is not a multiple of
// four, a character outside the alphabet, padding in the wrong place, or trailing bits that are not zero.
std::string Base64Decode(std::string_view text);

// Decodes the part of a text of `size` characters that begins at position `start`, so that a long text need not be in
// memory:
//
//   for (size_t at = 0; at < size; at += block.size()) out << Base64DecodePart(block = Read(at), at, size);
//
// `start` is a multiple of four, and so is the length of `part` unless the text ends with it. Throws RecordError as
// Base64Decode does, with positions in the whole text, and InputError for a part that is cut or placed otherwise.
std::string Base64DecodePart(std::string_view part, size_t start, size_t size);

}  // namespace nacelle::record

#endif  // NACELLE_CORE_RECORD_BASE64_H_
