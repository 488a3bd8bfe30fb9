// Opens the library of the reference engine.
#ifndef NACELLE_RUNTIME_INTERNAL_REFERENCE_LIBRARY_H_
#define NACELLE_RUNTIME_INTERNAL_REFERENCE_LIBRARY_H_

#include <memory>

#include "core/tensorrt/library.h"
#include "runtime/export.h"

namespace nacelle::runtime {

// Opens libnacelle_reference.so: the file that NACELLE_REFERENCE_LIBRARY names, else the one beside this code (in the
// wheel), else the one among the running program's Bazel runfiles. Throws LibraryError that lists the places. Any
// thread.
NACELLE_API std::shared_ptr<const tensorrt::Library> OpenReferenceLibrary();

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_REFERENCE_LIBRARY_H_
