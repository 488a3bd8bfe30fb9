// Reads the golden records, and makes records for tests.
#ifndef NACELLE_TESTS_CORE_RECORD_GOLDEN_H_
#define NACELLE_TESTS_CORE_RECORD_GOLDEN_H_

#include <string>
#include <vector>

#include "core/record/record.h"

namespace nacelle::record::golden {

using Fields = std::vector<std::string>;

// Returns the fields of the golden record of `version`. Throws std::runtime_error if the file is missing or malformed.
Fields Read(int version);

// The golden record itself, built from literals; Parse must return its equal.
Record Expected(int version);

// All the fields that a conversion may lose.
FieldSet Droppable();

}  // namespace nacelle::record::golden

#endif  // NACELLE_TESTS_CORE_RECORD_GOLDEN_H_
