// Where TensorRT may be on this machine.
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
  std::string path;    // what dlopen gets: a path, or for the system's libraries a bare file name
  std::string source;  // where it was found, for a person: "NACELLE_TENSORRT_PATH", "the Python package tensorrt_libs"
  LibraryKind kind;    // as its file name tells; never kReference
  int major = 0;       // as its file name tells ("libnvinfer.so.8"); 0 where it does not

  friend bool operator==(const Candidate&, const Candidate&) = default;
};

// The folders in which Python looks for packages. Told by Python's own side; a process without Python has those of
// PYTHONPATH and of the virtual environment in VIRTUAL_ENV. Any thread.
void SetPackageFolders(std::vector<std::string> folders);

// What this process can see now, best first: NACELLE_TENSORRT_PATH, libraries that are loaded already, Python packages
// that carry TensorRT (tensorrt, tensorrt_libs, tensorrt_lean_libs, tensorrt_dispatch_libs, tensorrt_rtx_libs …), the
// system's library path. Opens none of them; each file is listed once. Any thread.
std::vector<Candidate> Discover();

// What is at `place`: the file, whatever its name is, or the runtime libraries in the folder. Empty where there is
// none.
std::vector<Candidate> DiscoverIn(const std::string& place);

// A candidate that was opened, or why it could not be.
struct Opened {
  Candidate candidate;
  std::shared_ptr<const Library> library;  // null where it could not be opened
  std::string problem;                     // empty where it could
};

// Opens every candidate; a library that several of them lead to is there once, as the first. For tools that list what
// is here; it loads hundreds of megabytes.
std::vector<Opened> OpenAll();

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_DISCOVER_H_
