// Reads the sizes of a zip archive's members from its directory.
#ifndef NACELLE_REFERENCE_ZIP_DIRECTORY_H_
#define NACELLE_REFERENCE_ZIP_DIRECTORY_H_

#include <cstdint>
#include <string_view>

namespace nacelle::reference {

// Returns the unpacked bytes of all members of the zip archive together, by its directory. torch unpacks some members
// when it opens an archive, before it can be asked for their sizes.
//
//   members │ directory │ [zip64 end, zip64 locator] │ end, 22 bytes without a comment
//
// Throws PlanError if the archive does not end so, or its directory is damaged.
uint64_t UnpackedSize(std::string_view archive);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_ZIP_DIRECTORY_H_
