// libcudart.so.13 over the fake GPU's driver: one device, which has the compute capability and the name of the records
// that the reference engine's programs carry, `0%0%0%0%cpu`.
//
// The fake GPU has work run when it is enqueued (NACELLE_FAKE_GPU=eager), since the reference engine, which stands for
// TensorRT, computes at once whatever stream it is given.
#include <cuda_runtime_api.h>
#include <unistd.h>

#include <cstring>

#include "tests/fake_gpu/gpu.h"

// The header renames some functions to their newest form; the names below are those that are exported.
#undef cudaEventElapsedTime
#undef cudaEventRecordWithFlags
#undef cudaGetDeviceProperties
#undef cudaStreamIsCapturing

namespace {

using nacelle::fake_gpu::Gpu;
using nacelle::fake_gpu::StreamName;

constexpr int kDevice = 0;
constexpr char kDeviceName[] = "cpu";

StreamName NameOf(cudaStream_t stream) { return {kDevice, stream}; }

// The driver and the runtime number errors alike.
cudaError_t ErrorOf(nacelle::fake_gpu::Result result) { return static_cast<cudaError_t>(result); }

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

// The device.

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = kDevice;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (device != kDevice) return cudaErrorInvalidDevice;
  Gpu::Process().SetDevice(device);
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != kDevice) return cudaErrorInvalidDevice;
  std::memset(properties, 0, sizeof *properties);
  std::memcpy(properties->name, kDeviceName, sizeof kDeviceName);
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  Gpu::Process().SynchronizeAll();
  return cudaSuccess;
}

// Memory.

cudaError_t cudaMalloc(void** memory, size_t size) {
  *memory = Gpu::Process().Allocate(NameOf(nullptr), size);
  return cudaSuccess;
}

cudaError_t cudaFree(void* memory) {
  if (memory != nullptr) Gpu::Process().Free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGE_SIZE));
  *free = static_cast<size_t>(sysconf(_SC_AVPHYS_PAGES)) * page;
  *total = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * page;
  return cudaSuccess;
}

// Streams and events.

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int /*flags*/) {
  return ErrorOf(Gpu::Process().WaitEvent(NameOf(stream), event));
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = Gpu::Process().Capturing(NameOf(stream)) ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return ErrorOf(Gpu::Process().CreateEvent(reinterpret_cast<void**>(event)));
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int /*flags*/) { return cudaEventCreate(event); }

cudaError_t cudaEventDestroy(cudaEvent_t event) { return ErrorOf(Gpu::Process().DestroyEvent(event)); }

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return ErrorOf(Gpu::Process().RecordEvent(event, NameOf(stream)));
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned int /*flags*/) {
  return cudaEventRecord(event, stream);
}

cudaError_t cudaEventQuery(cudaEvent_t event) { return ErrorOf(Gpu::Process().QueryEvent(event)); }
cudaError_t cudaEventSynchronize(cudaEvent_t event) { return ErrorOf(Gpu::Process().SynchronizeEvent(event)); }

// The rest: the fake GPU keeps no times and prints no graphs.

cudaError_t cudaEventElapsedTime(float* /*milliseconds*/, cudaEvent_t /*start*/, cudaEvent_t /*end*/) {
  return cudaErrorNotSupported;
}

cudaError_t cudaGraphDebugDotPrint(cudaGraph_t /*graph*/, const char* /*path*/, unsigned int /*flags*/) {
  return cudaErrorNotSupported;
}

cudaError_t cudaGetLastError() { return cudaSuccess; }  // each call returns its own error, and none is kept

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidDevice:
      return "there is no such device; found: device 0";
    case cudaErrorNotSupported:
      return "the fake GPU cannot do this";
    default:
      return "an error of the fake GPU's driver";
  }
}

}  // extern "C"
#pragma GCC visibility pop
