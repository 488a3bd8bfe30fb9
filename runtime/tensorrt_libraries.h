// The TensorRT libraries of this machine, for whoever lists them or tells where they are.
#ifndef NACELLE_RUNTIME_TENSORRT_LIBRARIES_H_
#define NACELLE_RUNTIME_TENSORRT_LIBRARIES_H_

#include <string>
#include <vector>

#include "runtime/export.h"

namespace nacelle::runtime {

// A file that may be a TensorRT runtime library.
struct LibraryReport {
  std::string path;     // a bare file name where the system finds it
  std::string source;   // where it was looked for
  std::string kind;     // "full", "lean", "dispatch", "TensorRT-RTX"
  std::string release;  // "10.15.1.29"; empty where it could not be opened
  std::string problem;  // why it could not be opened; empty where it could
};

// Every candidate, in the order in which a plan's library is looked for. Opens each: takes a while, and memory. Any
// thread.
NACELLE_API std::vector<LibraryReport> ListTensorRtLibraries();

// Where Python looks for packages: folders in which NVIDIA's wheels may be. Any thread.
NACELLE_API void SetPackageFolders(std::vector<std::string> folders);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_TENSORRT_LIBRARIES_H_
