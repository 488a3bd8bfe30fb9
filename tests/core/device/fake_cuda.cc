// A libcuda.so.1 of our own, with three GPUs that exist nowhere. The environment decides how it behaves, read at each
// call:
//   NACELLE_FAKE_CUDA          "no_device", "not_initialized": cuInit fails; "zero": it lists no GPU; "nameless": GPU 1
//   has no name
//                              "full": a graph takes no user object
//   NACELLE_FAKE_CUDA_CURRENT  the device of the calling thread's context; unset: there is no context
#include <cuda.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#define NACELLE_FAKE extern "C" __attribute__((visibility("default")))

namespace {

struct FakeGpu {
  const char* name;
  int major;
  int minor;
};

constexpr FakeGpu kGpus[] = {{"Fake A10", 8, 6}, {"Fake 100% H100", 9, 0}, {"Fake A10", 8, 6}};
std::atomic<int> init_count{0};
std::atomic<bool> capture_broken{false};

bool Behaves(std::string_view how) {
  const char* wanted = std::getenv("NACELLE_FAKE_CUDA");
  return wanted != nullptr && how == wanted;
}

}  // namespace

// Number of calls of cuInit.
NACELLE_FAKE int nacelle_fake_init_count() { return init_count; }

NACELLE_FAKE CUresult cuInit(unsigned int) {
  ++init_count;
  if (Behaves("not_initialized")) return CUDA_ERROR_NOT_INITIALIZED;
  return Behaves("no_device") ? CUDA_ERROR_NO_DEVICE : CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuDriverGetVersion(int* version) {
  *version = 13020;
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuDeviceGetCount(int* count) {
  *count = Behaves("zero") ? 0 : static_cast<int>(std::size(kGpus));
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuDeviceTotalMem(size_t* bytes, CUdevice device) {
  *bytes = static_cast<size_t>(24 + device) << 30;
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  if (ordinal < 0 || ordinal >= static_cast<int>(std::size(kGpus))) return CUDA_ERROR_INVALID_DEVICE;
  *device = ordinal;
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuDeviceGetName(char* name, int length, CUdevice device) {
  if (Behaves("nameless") && device == 1) return CUDA_ERROR_UNKNOWN;
  std::strncpy(name, kGpus[device].name, static_cast<size_t>(length));
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) {
    *value = kGpus[device].major;
  } else if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR) {
    *value = kGpus[device].minor;
  } else {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuCtxGetCurrent(CUcontext* context) {
  static int some_context = 0;
  *context = std::getenv("NACELLE_FAKE_CUDA_CURRENT") == nullptr ? nullptr : reinterpret_cast<CUcontext>(&some_context);
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuCtxGetDevice(CUdevice* device) {
  const char* current = std::getenv("NACELLE_FAKE_CUDA_CURRENT");
  if (current == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
  *device = std::atoi(current);
  return CUDA_SUCCESS;
}

// The rest is there to be found, but for what streams tell: nothing here has work.
NACELLE_FAKE CUresult cuCtxSetCurrent(CUcontext) { return CUDA_ERROR_UNKNOWN; }
NACELLE_FAKE CUresult cuDevicePrimaryCtxRetain(CUcontext*, CUdevice) { return CUDA_ERROR_UNKNOWN; }
NACELLE_FAKE CUresult cuEventCreate(CUevent*, unsigned int) { return CUDA_ERROR_UNKNOWN; }
NACELLE_FAKE CUresult cuEventDestroy(CUevent) { return CUDA_ERROR_UNKNOWN; }
NACELLE_FAKE CUresult cuEventQuery(CUevent) { return CUDA_ERROR_UNKNOWN; }
NACELLE_FAKE CUresult cuEventRecord(CUevent, CUstream) { return CUDA_ERROR_UNKNOWN; }
NACELLE_FAKE CUresult cuStreamWaitEvent(CUstream, CUevent, unsigned int) { return CUDA_ERROR_UNKNOWN; }

// One stream is being captured, the one at address 0x1000; that at 0x2000 has work, that at 0x3000 none.
NACELLE_FAKE CUresult cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus* status) {
  *status =
      stream == reinterpret_cast<CUstream>(0x1000) ? CU_STREAM_CAPTURE_STATUS_ACTIVE : CU_STREAM_CAPTURE_STATUS_NONE;
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuStreamQuery(CUstream stream) {
  switch (reinterpret_cast<uintptr_t>(stream)) {
    case 0x1000:
      capture_broken = true;
      return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    case 0x2000:
      return CUDA_ERROR_NOT_READY;
    case 0x3000:
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_UNKNOWN;
  }
}

// True if a call came that ends a capture.
NACELLE_FAKE bool nacelle_fake_capture_broken() { return capture_broken; }

NACELLE_FAKE CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) {
  static thread_local CUstreamCaptureMode current = CU_STREAM_CAPTURE_MODE_GLOBAL;
  std::swap(current, *mode);
  return CUDA_SUCCESS;
}

#ifndef NACELLE_FAKE_BEFORE_CUDA_11_3
namespace {

struct UserObject {
  void* value;
  CUhostFn destroy;
};

// The user objects of the only graph, which is being captured.
std::vector<UserObject*>& Retained() {
  static std::vector<UserObject*> objects;
  return objects;
}

void Destroy(UserObject* object) {
  object->destroy(object->value);
  delete object;
}

}  // namespace

NACELLE_FAKE CUresult cuStreamGetCaptureInfo_v2(CUstream stream, CUstreamCaptureStatus* status, cuuint64_t*,
                                                CUgraph* graph, const CUgraphNode**, size_t*) {
  cuStreamIsCapturing(stream, status);
  if (*status == CU_STREAM_CAPTURE_STATUS_ACTIVE) *graph = reinterpret_cast<CUgraph>(&Retained());
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuUserObjectCreate(CUuserObject* object, void* value, CUhostFn destroy, unsigned int count,
                                         unsigned int flags) {
  if (count != 1 || flags != CU_USER_OBJECT_NO_DESTRUCTOR_SYNC) return CUDA_ERROR_INVALID_VALUE;
  *object = reinterpret_cast<CUuserObject>(new UserObject{value, destroy});
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuUserObjectRelease(CUuserObject object, unsigned int) {
  Destroy(reinterpret_cast<UserObject*>(object));
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuGraphRetainUserObject(CUgraph, CUuserObject object, unsigned int count, unsigned int flags) {
  if (Behaves("full") || count != 1 || flags != CU_GRAPH_USER_OBJECT_MOVE) return CUDA_ERROR_INVALID_VALUE;
  Retained().push_back(reinterpret_cast<UserObject*>(object));
  return CUDA_SUCCESS;
}

// The graph is gone.
NACELLE_FAKE void nacelle_fake_destroy_graph() {
  for (UserObject* object : std::exchange(Retained(), {})) Destroy(object);
}
#endif

NACELLE_FAKE CUresult cuGetErrorName(CUresult error, const char** text) {
  *text = error == CUDA_ERROR_NO_DEVICE         ? "CUDA_ERROR_NO_DEVICE"
          : error == CUDA_ERROR_NOT_INITIALIZED ? "CUDA_ERROR_NOT_INITIALIZED"
                                                : "CUDA_ERROR_UNKNOWN";
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuGetErrorString(CUresult error, const char** text) {
  *text = error == CUDA_ERROR_NO_DEVICE ? "no CUDA-capable device is detected" : "unknown error";
  return CUDA_SUCCESS;
}
