#include "runtime/find_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/text.h"

namespace nacelle::runtime {
namespace {

namespace fs = std::filesystem;
using LibraryPointer = std::shared_ptr<const tensorrt::Library>;

constexpr const char* kReferenceFile = "libnacelle_reference.so";
constexpr const char* kReferenceVariable = "NACELLE_REFERENCE_LIBRARY";
constexpr const char* kTensorRtVariable = "NACELLE_TENSORRT_PATH";

std::vector<std::string> SplitPath(const char* text) {
  std::vector<std::string> parts;
  for (std::string_view rest = text == nullptr ? "" : text; !rest.empty();) {
    const size_t end = rest.find(':');
    if (end != 0) parts.emplace_back(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  return parts;
}

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// The folder of the shared library (or program) that this code is in.
fs::path OwnFolder() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&OwnFolder), &info) == 0 || info.dli_fname == nullptr) return {};
  std::error_code ignored;
  return fs::weakly_canonical(info.dli_fname, ignored).parent_path();
}

// Where Bazel puts data of programs that depend on //runtime.
std::vector<fs::path> RunfilesRoots() {
  std::vector<fs::path> roots;
  for (const char* variable : {"RUNFILES_DIR", "TEST_SRCDIR"}) {
    if (const char* folder = std::getenv(variable)) roots.emplace_back(folder);
  }
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  if (!program.empty()) roots.push_back(program.string() + ".runfiles");
  return roots;
}

std::vector<fs::path> ReferenceCandidates() {
  std::vector<fs::path> candidates = {OwnFolder() / kReferenceFile};
  for (const fs::path& root : RunfilesRoots()) {
    candidates.push_back(root / "torch_nacelle" / "runtime" / "reference" / kReferenceFile);
  }
  return candidates;
}

LibraryPointer FindReference() {
  if (const char* named = std::getenv(kReferenceVariable)) return tensorrt::Library::Open(named);
  const std::vector<fs::path> candidates = ReferenceCandidates();
  for (const fs::path& candidate : candidates) {
    if (Exists(candidate)) return tensorrt::Library::Open(candidate.string());
  }
  throw LibraryError(Cat("the reference engine's library is not there; looked for ", Join(candidates, ", "),
                         "; name it in ", kReferenceVariable));
}

// File names that NVIDIA gives a library of `major`; what is left out (dispatch) cannot run a plan by itself.
std::vector<std::string> FileNames(const abi::PlanHeader& header) {
  if (header.kind == abi::PlanKind::kTensorRTRtx) return {Cat("libtensorrt_rtx.so.", header.release.major)};
  return {Cat("libnvinfer.so.", header.release.major), Cat("libnvinfer_lean.so.", header.release.major)};
}

std::vector<std::string> TensorRtCandidates(const abi::PlanHeader& header) {
  const std::vector<std::string> names = FileNames(header);
  std::vector<std::string> candidates;
  for (const std::string& part : SplitPath(std::getenv(kTensorRtVariable))) {
    std::error_code ignored;
    if (!fs::is_directory(part, ignored)) {
      candidates.push_back(part);
      continue;
    }
    for (const std::string& name : names) {
      if (Exists(fs::path(part) / name)) candidates.push_back((fs::path(part) / name).string());
    }
  }
  candidates.insert(candidates.end(), names.begin(), names.end());
  return candidates;
}

bool SameRelease(const Release& a, const Release& b) {
  return a.major == b.major && a.minor == b.minor && a.patch == b.patch;
}

LibraryPointer FindTensorRt(const abi::PlanHeader& header) {
  std::string verdicts;
  for (const std::string& candidate : TensorRtCandidates(header)) {
    verdicts += "\n  ";
    try {
      LibraryPointer library = tensorrt::Library::Open(candidate);
      if (SameRelease(library->release(), header.release)) return library;
      verdicts += Cat(candidate, ": is ", library->Describe());
    } catch (const Error& error) {
      verdicts += error.what();
    }
  }
  throw LibraryError(Cat("the plan needs ", header.Describe(),
                         ", and no library of that release is here; put its folder "
                         "or file into ",
                         kTensorRtVariable, ". Looked at:", verdicts));
}

}  // namespace

LibraryPointer FindLibrary(const abi::PlanHeader& header) {
  return header.kind == abi::PlanKind::kReference ? FindReference() : FindTensorRt(header);
}

}  // namespace nacelle::runtime
