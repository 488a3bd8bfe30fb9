#include "runtime/tensorrt_libraries.h"

#include <utility>

#include "core/tensorrt/discover.h"

namespace nacelle::runtime {

std::vector<LibraryReport> ListTensorRtLibraries() {
  std::vector<LibraryReport> reports;
  for (const tensorrt::Opened& opened : tensorrt::OpenAll()) {
    const tensorrt::Candidate& candidate = opened.candidate;
    reports.push_back({candidate.path, candidate.source, tensorrt::ToString(candidate.kind),
                       opened.library == nullptr ? "" : opened.library->release().ToString(), opened.problem});
  }
  return reports;
}

void SetPackageFolders(std::vector<std::string> folders) { tensorrt::SetPackageFolders(std::move(folders)); }

}  // namespace nacelle::runtime
