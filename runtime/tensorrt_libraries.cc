#include "runtime/tensorrt_libraries.h"

#include <utility>

#include "core/tensorrt/discover.h"

namespace nacelle::runtime {

void SetPackageFolders(std::vector<std::string> folders) { tensorrt::SetPackageFolders(std::move(folders)); }

}  // namespace nacelle::runtime
