// Opens the library of the reference engine.
#ifndef NACELLE_RUNTIME_INTERNAL_REFERENCE_LIBRARY_H_
#define NACELLE_RUNTIME_INTERNAL_REFERENCE_LIBRARY_H_

#include <memory>
#include <string>

#include "core/tensorrt/library.h"
#include "runtime/export.h"

namespace nacelle::runtime {

// Returns the path of this build's libnacelle_reference.so: the one beside this code (in the wheel), else the one among
// the running program's Bazel runfiles. Throws LibraryError that lists the places. Any thread.
NACELLE_API std::string FindReferenceLibrary();

// Opens the library that runs plans of the reference engine: the file that NACELLE_REFERENCE_LIBRARY names, else this
// build's. Throws as FindReferenceLibrary and tensorrt::Library::Open. Any thread.
std::shared_ptr<const tensorrt::Library> OpenReferenceLibrary();

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_REFERENCE_LIBRARY_H_
