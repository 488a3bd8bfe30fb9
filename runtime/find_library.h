// Which library runs a plan.
#ifndef NACELLE_RUNTIME_FIND_LIBRARY_H_
#define NACELLE_RUNTIME_FIND_LIBRARY_H_

#include <memory>
#include <string>

#include "core/abi/plan_header.h"
#include "core/tensorrt/library.h"
#include "runtime/export.h"

namespace nacelle::runtime {

// Finds and opens the library for a plan with this header; nothing is opened before the first call. Any thread.
//
// A plan of the reference engine gets libnacelle_reference.so: the file that NACELLE_REFERENCE_LIBRARY names, else the
// one beside this code (in the wheel), else the one among the running program's Bazel runfiles.
// A TensorRT plan gets a library of the plan's own release: one that NACELLE_TENSORRT_PATH names (files or folders,
// with ':' between them), else the one that the system finds under NVIDIA's file names.
// Throws LibraryError that lists every place looked at and what was found there.
std::shared_ptr<const tensorrt::Library> FindLibrary(const abi::PlanHeader& header);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_FIND_LIBRARY_H_
