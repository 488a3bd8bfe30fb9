// Finds the TensorRT libraries of this machine.
//
//   for (const Candidate& candidate : Discover()) std::cout << candidate.path << ": " << candidate.source << '\n';
//
// Any thread may call these functions.
#ifndef NACELLE_CORE_TENSORRT_DISCOVER_H_
#define NACELLE_CORE_TENSORRT_DISCOVER_H_

#include <memory>
#include <string>
#include <vector>

#include "core/tensorrt/library.h"

namespace nacelle::tensorrt {

// The environment variable that names libraries: files, or folders with libraries, with ':' between them.
inline constexpr const char* kPathVariable = "NACELLE_TENSORRT_PATH";

// A file that may be a TensorRT runtime library.
struct Candidate {
  std::string path;    // for dlopen: a path, or for the system's libraries a bare file name
  std::string source;  // the place, for a person: "NACELLE_TENSORRT_PATH", "the Python package tensorrt_libs"
  LibraryKind kind;    // by its file name; never kReference
  int major = 0;       // the major release by its file name ("libnvinfer.so.8"); 0 if the name has none

  friend bool operator==(const Candidate&, const Candidate&) = default;
};

// Sets the folders in which Python looks for packages; Python's side calls it. Without it the folders are those of
// PYTHONPATH and of the virtual environment in VIRTUAL_ENV.
void SetPackageFolders(std::vector<std::string> folders);

// Lists the libraries that this process can see now, best first: NACELLE_TENSORRT_PATH, libraries that are loaded
// already, Python packages that carry TensorRT (tensorrt, tensorrt_libs, tensorrt_lean_libs, tensorrt_dispatch_libs,
// tensorrt_rtx_libs …), the system's library path. Opens none of them; lists each file once.
std::vector<Candidate> Discover();

// Lists the file `place`, whatever its name is, or the runtime libraries in the folder `place`. Empty if there is
// neither.
std::vector<Candidate> DiscoverIn(const std::string& place);

// A candidate with its opened library, or with the reason why it could not be opened.
struct Opened {
  Candidate candidate;
  std::shared_ptr<const Library> library;  // null if it could not be opened
  std::string problem;                     // the reason; empty if it could
};

// Opens every candidate. A library that several candidates lead to is listed once, as the first. For tools that list
// the libraries of a machine: it loads hundreds of megabytes.
std::vector<Opened> OpenAll();

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_DISCOVER_H_
