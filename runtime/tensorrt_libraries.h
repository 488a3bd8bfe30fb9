// The search for the TensorRT libraries of this machine.
//
//   SetPackageFolders({"/opt/venv/lib/python3.12/site-packages"});
#ifndef NACELLE_RUNTIME_TENSORRT_LIBRARIES_H_
#define NACELLE_RUNTIME_TENSORRT_LIBRARIES_H_

#include <string>
#include <vector>

#include "runtime/export.h"

namespace nacelle::runtime {

// Sets the folders of Python packages in which NVIDIA's wheels may be. Any thread.
NACELLE_API void SetPackageFolders(std::vector<std::string> folders);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_TENSORRT_LIBRARIES_H_
