// Lists the TensorRT libraries of this machine.
//
//   for (const LibraryReport& report : ListTensorRtLibraries()) std::cout << report.path << " " << report.release <<
//   "\n";
#ifndef NACELLE_RUNTIME_TENSORRT_LIBRARIES_H_
#define NACELLE_RUNTIME_TENSORRT_LIBRARIES_H_

#include <string>
#include <vector>

#include "runtime/export.h"

namespace nacelle::runtime {

// A file that may be a TensorRT runtime library.
struct LibraryReport {
  std::string path;     // a bare file name if the system's loader finds it
  std::string source;   // the place in which it was found: an environment variable, a package …
  std::string kind;     // "full", "lean", "dispatch", "TensorRT-RTX"
  std::string release;  // "10.15.1.29"; empty if it could not be opened
  std::string problem;  // the reason that it could not be opened; empty if it could
};

// Lists every candidate, in the order in which a plan's library is chosen. Opens each of them, which takes time and
// memory. Any thread.
NACELLE_API std::vector<LibraryReport> ListTensorRtLibraries();

// Sets the folders of Python packages in which NVIDIA's wheels may be. Any thread.
NACELLE_API void SetPackageFolders(std::vector<std::string> folders);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_TENSORRT_LIBRARIES_H_
