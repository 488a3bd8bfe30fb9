// The functions of NVIDIA's driver that Nacelle calls, looked up in libcuda.so.1. Internal to core/device.
#ifndef NACELLE_CORE_DEVICE_CUDA_API_H_
#define NACELLE_CORE_DEVICE_CUDA_API_H_

#include <cuda.h>
#include <dlfcn.h>

#include <optional>
#include <string>

#include "core/text.h"

// The functions that every supported driver has. cuda.h renames functions to their current versions by macros
// (cuDeviceTotalMem is cuDeviceTotalMem_v2 there); NACELLE_TEXT(name) follows them, so that the symbol fits the
// declaration.
#define NACELLE_CUDA_FUNCTIONS(FUNCTION)      \
  FUNCTION(cuInit)                            \
  FUNCTION(cuDriverGetVersion)                \
  FUNCTION(cuDeviceGetCount)                  \
  FUNCTION(cuDeviceGet)                       \
  FUNCTION(cuDeviceGetName)                   \
  FUNCTION(cuDeviceGetAttribute)              \
  FUNCTION(cuDeviceTotalMem)                  \
  FUNCTION(cuCtxGetCurrent)                   \
  FUNCTION(cuCtxGetDevice)                    \
  FUNCTION(cuCtxSetCurrent)                   \
  FUNCTION(cuDevicePrimaryCtxRetain)          \
  FUNCTION(cuEventCreate)                     \
  FUNCTION(cuEventDestroy)                    \
  FUNCTION(cuEventQuery)                      \
  FUNCTION(cuEventRecord)                     \
  FUNCTION(cuStreamIsCapturing)               \
  FUNCTION(cuStreamQuery)                     \
  FUNCTION(cuStreamWaitEvent)                 \
  FUNCTION(cuThreadExchangeStreamCaptureMode) \
  FUNCTION(cuGetErrorName)                    \
  FUNCTION(cuGetErrorString)
// The functions that drivers have from CUDA 11.3 on; null before.
#define NACELLE_LATER_CUDA_FUNCTIONS(FUNCTION) \
  FUNCTION(cuGraphRetainUserObject)            \
  FUNCTION(cuUserObjectCreate)                 \
  FUNCTION(cuUserObjectRelease)
#define NACELLE_TEXT_OF(name) #name
#define NACELLE_TEXT(name) NACELLE_TEXT_OF(name)

namespace nacelle::device {

struct CudaApi {
#define NACELLE_DECLARE(name) decltype(&::name) name = nullptr;
  NACELLE_CUDA_FUNCTIONS(NACELLE_DECLARE)
  NACELLE_LATER_CUDA_FUNCTIONS(NACELLE_DECLARE)
#undef NACELLE_DECLARE

  // The version of CUDA 11.3: cuda.h declares that of 12.3, which has one parameter more.
  CUresult (*cuStreamGetCaptureInfo_v2)(CUstream, CUstreamCaptureStatus*, cuuint64_t* id, CUgraph*,
                                        const CUgraphNode** dependencies, size_t* dependency_count) = nullptr;

  // Looks up every function. Returns the name of the first that `library` lacks, or nothing.
  std::optional<std::string> Load(void* library) {
#define NACELLE_FIND(name) name = reinterpret_cast<decltype(name)>(dlsym(library, NACELLE_TEXT(name)));
#define NACELLE_LOAD(name) \
  NACELLE_FIND(name)       \
  if (name == nullptr) return NACELLE_TEXT(name);
    NACELLE_CUDA_FUNCTIONS(NACELLE_LOAD)
    NACELLE_LATER_CUDA_FUNCTIONS(NACELLE_FIND)
    NACELLE_FIND(cuStreamGetCaptureInfo_v2)
#undef NACELLE_LOAD
#undef NACELLE_FIND
    return std::nullopt;
  }

  // True if the driver can tell when a graph is destroyed (CUDA 11.3 and later).
  bool HasUserObjects() const {
    return cuGraphRetainUserObject != nullptr && cuUserObjectCreate != nullptr && cuUserObjectRelease != nullptr &&
           cuStreamGetCaptureInfo_v2 != nullptr;
  }

  // "CUDA_ERROR_INVALID_VALUE (1: invalid argument)".
  std::string Describe(CUresult result) const {
    const char* name = nullptr;
    const char* text = nullptr;
    if (cuGetErrorName(result, &name) != CUDA_SUCCESS || name == nullptr) name = "an error that it does not name";
    if (cuGetErrorString(result, &text) != CUDA_SUCCESS || text == nullptr) text = "no description";
    return Cat(name, " (", static_cast<int>(result), ": ", text, ")");
  }
};

// Returns the functions of CudaDriver::Process(). Throws DeviceError if that driver is not usable.
const CudaApi& ProcessCuda();

}  // namespace nacelle::device

#endif  // NACELLE_CORE_DEVICE_CUDA_API_H_
