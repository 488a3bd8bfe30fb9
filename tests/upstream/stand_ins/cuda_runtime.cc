// libcudart.so.13 for a machine without a GPU: one device whose memory is the host's.
//
// Nothing here is asynchronous. Whoever enqueues work, does it at once, so a stream is always idle and an event is
// reached when it is recorded. The device has the compute capability and the name of the records that the reference
// engine's programs carry, `0%0%0%0%cpu`.
#include <cuda_runtime_api.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <new>

// The header renames some functions to their newest form; the names below are those that are exported.
#undef cudaEventElapsedTime
#undef cudaEventRecordWithFlags
#undef cudaGetDeviceProperties
#undef cudaStreamIsCapturing

namespace {

constexpr char kDeviceName[] = "cpu";
constexpr size_t kAlignment = 256;  // as cudaMalloc's

using Clock = std::chrono::steady_clock;

struct Event {
  Clock::time_point recorded;
};

Event* EventOf(cudaEvent_t event) { return reinterpret_cast<Event*>(event); }

cudaError_t Record(cudaEvent_t event) {
  if (event == nullptr) return cudaErrorInvalidResourceHandle;
  EventOf(event)->recorded = Clock::now();
  return cudaSuccess;
}

cudaError_t CreateEvent(cudaEvent_t* event) {
  *event = reinterpret_cast<cudaEvent_t>(new (std::nothrow) Event{Clock::now()});
  return *event == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

// ---- the device

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != 0) return cudaErrorInvalidDevice;
  std::memset(properties, 0, sizeof *properties);
  std::memcpy(properties->name, kDeviceName, sizeof kDeviceName);
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }

// ---- memory

cudaError_t cudaMalloc(void** memory, size_t size) {
  *memory = nullptr;
  if (size == 0) return cudaSuccess;
  *memory = std::aligned_alloc(kAlignment, (size + kAlignment - 1) / kAlignment * kAlignment);
  return *memory == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}

cudaError_t cudaFree(void* memory) {
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *free = static_cast<size_t>(sysconf(_SC_AVPHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGE_SIZE));
  *total = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGE_SIZE));
  return cudaSuccess;
}

// ---- streams and events

cudaError_t cudaStreamQuery(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned int) { return cudaSuccess; }

cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
  *status = cudaStreamCaptureStatusNone;
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return CreateEvent(event); }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int) { return CreateEvent(event); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete EventOf(event);
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) { return Record(event); }
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t, unsigned int) { return Record(event); }
cudaError_t cudaEventQuery(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  const std::chrono::duration<float, std::milli> passed = EventOf(end)->recorded - EventOf(start)->recorded;
  *milliseconds = passed.count();
  return cudaSuccess;
}

// ---- graphs, which this device cannot capture

cudaError_t cudaGraphDebugDotPrint(cudaGraph_t, const char*, unsigned int) { return cudaErrorNotSupported; }

// ---- errors: each call returns its own, none is kept

cudaError_t cudaGetLastError() { return cudaSuccess; }

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidDevice:
      return "no such device: there is device 0 alone";
    case cudaErrorInvalidResourceHandle:
      return "no such event";
    case cudaErrorMemoryAllocation:
      return "out of the host's memory";
    case cudaErrorNotSupported:
      return "the device of the host's memory cannot do this";
    default:
      return "another error than the stand-in for the CUDA runtime returns";
  }
}

}  // extern "C"
#pragma GCC visibility pop
