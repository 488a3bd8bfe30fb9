// A libcuda.so.1 with two GPUs that exist nowhere: the functions that Nacelle calls, on the GPUs of simulated_gpu.h.
#include <cuda.h>

#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string_view>

#include "tests/fake_gpu/simulated_gpu.h"

#define NACELLE_FAKE extern "C" __attribute__((visibility("default")))

// Every function is a place where a test may have the driver fail. The error is one that a driver gives for what work
// before it did.
#define NACELLE_MAY_FAIL() \
  if (TheGpu().Fails(__func__)) return CUDA_ERROR_LAUNCH_FAILED

namespace {

using nacelle::fake_gpu::Schedule;
using nacelle::fake_gpu::SimulatedGpu;
using nacelle::fake_gpu::StreamName;

struct FakeGpu {
  const char* name;
  int major;
  int minor;
};

constexpr FakeGpu kGpus[] = {{"Fake A10", 8, 6}, {"Fake H100", 9, 0}};
static_assert(std::size(kGpus) == nacelle::fake_gpu::kDevices);

struct ErrorText {
  CUresult error;
  const char* name;
  const char* text;
};

constexpr ErrorText kErrors[] = {
    {CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {CUDA_ERROR_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {CUDA_ERROR_LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION",
     "dependency created on uncaptured work in another stream"},
    {CUDA_ERROR_CAPTURED_EVENT, "CUDA_ERROR_CAPTURED_EVENT",
     "operation not permitted on an event last recorded in a capturing stream"},
};

// Never destroyed: threads may still run at the end. NACELLE_FAKE_GPU=eager has work run at once, for programs that
// cannot choose a schedule.
SimulatedGpu& TheGpu() {
  static SimulatedGpu* const gpu = [] {
    auto* const made = new SimulatedGpu;
    const char* const schedule = std::getenv("NACELLE_FAKE_GPU");
    if (schedule != nullptr && std::string_view(schedule) == "eager") made->SetSchedule(Schedule::kEager, 0);
    return made;
  }();
  return *gpu;
}

// A context is told by the address of its device's number.
int primary_contexts[] = {0, 1};

StreamName Named(CUstream stream) {
  // A stream brings its device along; the default stream is that of the current one.
  if (stream == nullptr) return {TheGpu().CurrentDevice(), nullptr};
  return {reinterpret_cast<nacelle::fake_gpu::Stream*>(stream)->device, stream};
}

CUresult Told(nacelle::fake_gpu::Result result) { return static_cast<CUresult>(result); }

}  // namespace

NACELLE_FAKE nacelle::fake_gpu::Gpu* nacelle_fake_gpu() { return &TheGpu(); }

// Devices.

NACELLE_FAKE CUresult cuInit(unsigned int) {
  NACELLE_MAY_FAIL();
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuDriverGetVersion(int* version) {
  NACELLE_MAY_FAIL();
  *version = 13020;
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuDeviceGetCount(int* count) {
  NACELLE_MAY_FAIL();
  *count = nacelle::fake_gpu::kDevices;
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  NACELLE_MAY_FAIL();
  if (ordinal < 0 || ordinal >= nacelle::fake_gpu::kDevices) return CUDA_ERROR_INVALID_DEVICE;
  *device = ordinal;
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuDeviceTotalMem(size_t* bytes, CUdevice) {
  NACELLE_MAY_FAIL();
  *bytes = size_t{24} << 30;
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuDeviceGetName(char* name, int length, CUdevice device) {
  NACELLE_MAY_FAIL();
  std::strncpy(name, kGpus[device].name, static_cast<size_t>(length));
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  NACELLE_MAY_FAIL();
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
  NACELLE_MAY_FAIL();
  *context = TheGpu().HasContext() ? reinterpret_cast<CUcontext>(&primary_contexts[TheGpu().CurrentDevice()]) : nullptr;
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuCtxGetDevice(CUdevice* device) {
  NACELLE_MAY_FAIL();
  if (!TheGpu().HasContext()) return CUDA_ERROR_INVALID_CONTEXT;
  *device = TheGpu().CurrentDevice();
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuCtxSetCurrent(CUcontext context) {
  NACELLE_MAY_FAIL();
  if (context == nullptr) {
    TheGpu().ForgetContext();
  } else {
    TheGpu().SetDevice(*reinterpret_cast<int*>(context));
  }
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  NACELLE_MAY_FAIL();
  *context = reinterpret_cast<CUcontext>(&primary_contexts[device]);
  return CUDA_SUCCESS;
}

// Streams and events.

NACELLE_FAKE CUresult cuEventCreate(CUevent* event, unsigned int) {
  NACELLE_MAY_FAIL();
  if (!TheGpu().HasContext()) return CUDA_ERROR_INVALID_CONTEXT;
  void* made = nullptr;
  const CUresult result = Told(TheGpu().CreateEvent(&made));
  *event = static_cast<CUevent>(made);
  return result;
}

// An error here is one of work before: the event is gone all the same.
NACELLE_FAKE CUresult cuEventDestroy(CUevent event) {
  const bool fails = TheGpu().Fails(__func__);
  const CUresult result = Told(TheGpu().DestroyEvent(event));
  return fails ? CUDA_ERROR_LAUNCH_FAILED : result;
}

NACELLE_FAKE CUresult cuEventQuery(CUevent event) {
  NACELLE_MAY_FAIL();
  return Told(TheGpu().QueryEvent(event));
}

NACELLE_FAKE CUresult cuEventRecord(CUevent event, CUstream stream) {
  NACELLE_MAY_FAIL();
  if (!TheGpu().HasContext()) return CUDA_ERROR_INVALID_CONTEXT;
  return Told(TheGpu().RecordEvent(event, Named(stream)));
}

NACELLE_FAKE CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned int) {
  NACELLE_MAY_FAIL();
  if (!TheGpu().HasContext()) return CUDA_ERROR_INVALID_CONTEXT;
  return Told(TheGpu().WaitEvent(Named(stream), event));
}

NACELLE_FAKE CUresult cuStreamQuery(CUstream stream) {
  NACELLE_MAY_FAIL();
  if (!TheGpu().HasContext()) return CUDA_ERROR_INVALID_CONTEXT;
  return Told(TheGpu().QueryStream(Named(stream)));
}

// Captures.

NACELLE_FAKE CUresult cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus* status) {
  NACELLE_MAY_FAIL();
  *status = TheGpu().Capturing(Named(stream)) ? CU_STREAM_CAPTURE_STATUS_ACTIVE : CU_STREAM_CAPTURE_STATUS_NONE;
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) {
  NACELLE_MAY_FAIL();
  *mode = static_cast<CUstreamCaptureMode>(TheGpu().ExchangeCaptureMode(*mode));
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuStreamGetCaptureInfo_v2(CUstream stream, CUstreamCaptureStatus* status, cuuint64_t*,
                                                CUgraph* graph, const CUgraphNode**, size_t*) {
  NACELLE_MAY_FAIL();
  *graph = static_cast<CUgraph>(TheGpu().GraphCapturedOn(Named(stream)));
  *status = *graph == nullptr ? CU_STREAM_CAPTURE_STATUS_NONE : CU_STREAM_CAPTURE_STATUS_ACTIVE;
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuUserObjectCreate(CUuserObject* object, void* value, CUhostFn destroy, unsigned int count,
                                         unsigned int flags) {
  NACELLE_MAY_FAIL();
  if (count != 1 || flags != CU_USER_OBJECT_NO_DESTRUCTOR_SYNC) return CUDA_ERROR_INVALID_VALUE;
  void* made = nullptr;
  const CUresult result = Told(TheGpu().CreateUserObject(&made, value, destroy));
  *object = static_cast<CUuserObject>(made);
  return result;
}

NACELLE_FAKE CUresult cuUserObjectRelease(CUuserObject object, unsigned int count) {
  NACELLE_MAY_FAIL();
  return count == 1 ? Told(TheGpu().ReleaseUserObject(object)) : CUDA_ERROR_INVALID_VALUE;
}

NACELLE_FAKE CUresult cuGraphRetainUserObject(CUgraph graph, CUuserObject object, unsigned int count,
                                              unsigned int flags) {
  NACELLE_MAY_FAIL();
  if (count != 1 || flags != CU_GRAPH_USER_OBJECT_MOVE) return CUDA_ERROR_INVALID_VALUE;
  return Told(TheGpu().RetainUserObject(graph, object));
}

// Errors.

NACELLE_FAKE CUresult cuGetErrorName(CUresult error, const char** text) {
  for (const ErrorText& known : kErrors) {
    if (known.error == error) *text = known.name;
  }
  return CUDA_SUCCESS;
}

NACELLE_FAKE CUresult cuGetErrorString(CUresult error, const char** text) {
  for (const ErrorText& known : kErrors) {
    if (known.error == error) *text = known.text;
  }
  return CUDA_SUCCESS;
}
