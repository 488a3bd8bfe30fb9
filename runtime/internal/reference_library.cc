#include "runtime/internal/reference_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "core/error.h"
#include "core/text.h"

namespace nacelle::runtime {
namespace {

namespace fs = std::filesystem;

constexpr const char* kReferenceFile = "libnacelle_reference.so";
constexpr const char* kReferenceVariable = "NACELLE_REFERENCE_LIBRARY";

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// Returns the folder of the shared library (or program) that contains this code.
fs::path OwnFolder() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&OwnFolder), &info) == 0 || info.dli_fname == nullptr) return {};
  std::error_code ignored;
  return fs::weakly_canonical(info.dli_fname, ignored).parent_path();
}

// Returns the folders in which Bazel puts the data of programs that depend on //runtime.
std::vector<fs::path> RunfilesRoots() {
  std::vector<fs::path> roots;
  for (const char* variable : {"RUNFILES_DIR", "TEST_SRCDIR"}) {
    const char* const folder = std::getenv(variable);
    if (folder != nullptr && *folder != '\0') roots.emplace_back(folder);  // empty, it would be the current folder
  }
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  if (!program.empty()) roots.push_back(program.string() + ".runfiles");
  return roots;
}

std::vector<fs::path> ReferenceCandidates() {
  std::vector<fs::path> candidates = {OwnFolder() / kReferenceFile};
  for (const fs::path& root : RunfilesRoots()) {
    candidates.push_back(root / "torch_nacelle" / "reference" / kReferenceFile);
  }
  return candidates;
}

}  // namespace

std::string FindReferenceLibrary() {
  const std::vector<fs::path> candidates = ReferenceCandidates();
  for (const fs::path& candidate : candidates) {
    if (Exists(candidate)) return candidate.string();
  }
  throw LibraryError(Cat("the reference engine's library was not found; looked for ", Join(candidates, ", "), "; put ",
                         kReferenceFile,
                         " of this build into the first of these places, or install torch_nacelle again"));
}

std::shared_ptr<const tensorrt::Library> OpenReferenceLibrary() {
  const char* const named = std::getenv(kReferenceVariable);
  std::string path = named != nullptr ? named : "";
  try {
    if (path.empty()) path = FindReferenceLibrary();
  } catch (const LibraryError& error) {
    throw LibraryError(Cat(error.what(), ", or name another library to run plans with in ", kReferenceVariable));
  }
  return tensorrt::Library::Open(path);
}

}  // namespace nacelle::runtime
