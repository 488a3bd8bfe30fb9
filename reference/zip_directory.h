// The size of an archive's members, from its directory alone.
#ifndef NACELLE_REFERENCE_ZIP_DIRECTORY_H_
#define NACELLE_REFERENCE_ZIP_DIRECTORY_H_

#include <cstdint>
#include <string_view>

namespace nacelle::reference {

// The bytes that all members of the zip archive have together when they are unpacked, as its directory says. torch
// unpacks some members when it opens an archive, before anybody can ask it for their sizes.
//
//   members │ directory │ [zip64 end, zip64 locator] │ end, 22 bytes without a comment
//
// Throws PlanError if the archive does not end so, or its directory is damaged.
uint64_t UnpackedSize(std::string_view archive);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_ZIP_DIRECTORY_H_
