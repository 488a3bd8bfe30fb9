// The GPUs of this machine, asked of NVIDIA's driver through libcuda.so.1.
//
// Nothing is opened when this code is loaded or a CudaDriver is made: the library is opened, and the driver
// initialized, at the first call that needs it. It stays open until the process ends, since a driver cannot be
// unloaded safely.
#ifndef NACELLE_CORE_DEVICE_CUDA_DRIVER_H_
#define NACELLE_CORE_DEVICE_CUDA_DRIVER_H_

#include <cstddef>
#include <memory>
#include <string>

#include "core/device/choose.h"
#include "core/device/device.h"

namespace nacelle::device {

struct CudaApi;

// Every method may be called from any thread at once. The first call's outcome stands for the life of the object:
// a driver that could not be used then is not tried again.
class CudaDriver {
 public:
  // `library` is what dlopen gets.
  explicit CudaDriver(std::string library = "libcuda.so.1");
  ~CudaDriver();
  CudaDriver(const CudaDriver&) = delete;
  CudaDriver& operator=(const CudaDriver&) = delete;

  // The one of this process, on libcuda.so.1. Lives until the process ends.
  static CudaDriver& Process();

  // Whether the driver works and has at least one GPU.
  bool available();

  // Why available() is false, for a person: `libcuda.so.1: cannot open shared object file …`. Empty if it is true.
  const std::string& why_not();

  // CUDA's number for the driver: 13020 is 13.2. 0 where no driver could be opened.
  int driver_version();

  // The GPUs, ascending by id (names as the driver gives them, with any '%' as '_'), and the current device, if the
  // calling thread has a CUDA context. Asks the driver for the latter each time and creates no context. Where there
  // are none, `why_none` is why_not(). Never throws DeviceError.
  Inventory Devices();

  // Bytes of memory of the GPU `id`, one of Devices(). 0 if the driver does not tell.
  size_t MemoryOf(int id);

  // Whether a CUDA graph is being captured on `stream` (a cudaStream_t of the current CUDA context). False where there
  // is no driver. Throws DeviceError if the driver does not tell.
  bool Capturing(void* stream);

 private:
  friend class RelaxedCapture;
  friend const CudaApi& ProcessCuda();

  // Gives the calling thread the capture mode `mode` (a CUstreamCaptureMode) and leaves the former one in it. False,
  // and nothing is changed, if that fails.
  bool ExchangeCaptureMode(int& mode);

  struct State;
  State& Ready();  // opens the library at the first call

  std::unique_ptr<State> state_;
};

// As long as one lives, its thread may ask the driver what a capture of a CUDA graph otherwise forbids: whether other
// streams have finished, memory that is not part of the graph.
class RelaxedCapture {
 public:
  RelaxedCapture();
  ~RelaxedCapture();
  RelaxedCapture(const RelaxedCapture&) = delete;
  RelaxedCapture& operator=(const RelaxedCapture&) = delete;

 private:
  int mode_;
  const bool exchanged_;
};

}  // namespace nacelle::device

#endif  // NACELLE_CORE_DEVICE_CUDA_DRIVER_H_
