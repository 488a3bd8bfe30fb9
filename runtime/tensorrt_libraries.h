// Where the TensorRT libraries of this machine are looked for.
#ifndef NACELLE_RUNTIME_TENSORRT_LIBRARIES_H_
#define NACELLE_RUNTIME_TENSORRT_LIBRARIES_H_

#include <string>
#include <vector>

#include "runtime/export.h"

namespace nacelle::runtime {

// Where Python looks for packages: folders in which NVIDIA's wheels may be. Any thread.
NACELLE_API void SetPackageFolders(std::vector<std::string> folders);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_TENSORRT_LIBRARIES_H_
