#include "core/device/cuda_event.h"

#include <cuda.h>

#include "core/device/cuda_api.h"
#include "core/device/cuda_driver.h"
#include "core/error.h"
#include "core/text.h"

namespace nacelle::device {
namespace {

CUstream Stream(void* stream) { return static_cast<CUstream>(stream); }
CUevent Event(void* event) { return static_cast<CUevent>(event); }

void Check(const CudaApi& cuda, const char* call, CUresult result) {
  if (result != CUDA_SUCCESS) throw DeviceError(Cat(call, ": ", cuda.Describe(result)));
}

// Returns the answer of a query; "not ready" is an answer, not a failure.
bool Ready(const CudaApi& cuda, const char* call, CUresult result) {
  if (result == CUDA_ERROR_NOT_READY) return false;
  Check(cuda, call, result);
  return true;
}

}  // namespace

CudaEvent::~CudaEvent() {
  // A failure is ignored: at the end of the process the driver may have shut down before this event.
  if (event_ != nullptr) ProcessCuda().cuEventDestroy(Event(event_));
}

void CudaEvent::Record(void* stream) {
  const CudaApi& cuda = ProcessCuda();
  if (event_ == nullptr) {
    CUevent event = nullptr;
    Check(cuda, "cuEventCreate", cuda.cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    event_ = event;
  }
  Check(cuda, "cuEventRecord", cuda.cuEventRecord(Event(event_), Stream(stream)));
}

void CudaEvent::Block(void* stream) const {
  if (event_ == nullptr) return;
  const CudaApi& cuda = ProcessCuda();
  Check(cuda, "cuStreamWaitEvent", cuda.cuStreamWaitEvent(Stream(stream), Event(event_), 0));
}

bool CudaEvent::Done() const {
  if (event_ == nullptr) return true;
  const CudaApi& cuda = ProcessCuda();
  return Ready(cuda, "cuEventQuery", cuda.cuEventQuery(Event(event_)));
}

bool StreamDone(void* stream) {
  if (CudaDriver::Process().Capturing(stream)) return true;
  const CudaApi& cuda = ProcessCuda();
  return Ready(cuda, "cuStreamQuery", cuda.cuStreamQuery(Stream(stream)));
}

void UseDevice(int id) {
  static thread_local bool used = false;
  if (used) return;
  const CudaApi& cuda = ProcessCuda();
  CUcontext context = nullptr;
  Check(cuda, "cuCtxGetCurrent", cuda.cuCtxGetCurrent(&context));
  if (context == nullptr) {
    // The context is kept as long as the process: CUDA's runtime keeps it as well.
    CUdevice device = 0;
    Check(cuda, "cuDeviceGet", cuda.cuDeviceGet(&device, id));
    Check(cuda, "cuDevicePrimaryCtxRetain", cuda.cuDevicePrimaryCtxRetain(&context, device));
    Check(cuda, "cuCtxSetCurrent", cuda.cuCtxSetCurrent(context));
  }
  used = true;
}

}  // namespace nacelle::device
