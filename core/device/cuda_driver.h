// The GPUs of this machine, as NVIDIA's driver (libcuda.so.1) lists them.
//
// The first call that needs the driver opens the library and initializes it; loading this code or making a CudaDriver
// does not. The library stays open until the process ends, since a driver cannot be unloaded safely.
//
//   for (const Device& gpu : CudaDriver::Process().Devices().devices) std::cout << gpu.Describe() << '\n';
#ifndef NACELLE_CORE_DEVICE_CUDA_DRIVER_H_
#define NACELLE_CORE_DEVICE_CUDA_DRIVER_H_

#include <cstddef>
#include <memory>
#include <string>

#include "core/device/choose.h"
#include "core/device/device.h"

namespace nacelle::device {

struct CudaApi;

// NVIDIA's driver. Any thread may call every method at once. The first call decides for the life of the object: a
// driver that could not be used then is not tried again. A driver that works cannot be used in a forked child; there it
// is as one without GPUs.
class CudaDriver {
 public:
  // Uses the driver library that dlopen finds as `library`.
  explicit CudaDriver(std::string library = "libcuda.so.1");
  ~CudaDriver();
  CudaDriver(const CudaDriver&) = delete;
  CudaDriver& operator=(const CudaDriver&) = delete;

  // Returns the driver of this process, libcuda.so.1. It lives until the process ends.
  static CudaDriver& Process();

  // True if the driver works and has at least one GPU.
  bool available();

  // Returns the reason why available() is false: "libcuda.so.1: cannot open shared object file …". Empty if it is
  // true.
  const std::string& why_not();

  // Throws DeviceError if this process was forked from one in which the driver works: CUDA allows no use of it here.
  void CheckNotForked();

  // Returns CUDA's number for the driver: 13020 is 13.2. 0 if no driver could be opened.
  int driver_version();

  // Returns the GPUs, ascending by id (names as the driver gives them, with any '%' as '_'), and the current device if
  // the calling thread has a CUDA context. Asks the driver for the latter each time and creates no context. If there
  // is no GPU, `why_none` is why_not(). Never throws DeviceError.
  Inventory Devices();

  // Returns the bytes of memory of GPU `id`, one of Devices(); 0 if the driver does not tell.
  size_t MemoryOf(int id);

  // True if a CUDA graph is being captured on `stream` (a cudaStream_t of the current CUDA context). False if there is
  // no driver. Throws DeviceError if the driver does not tell.
  bool Capturing(void* stream);

 private:
  friend class RelaxedCapture;
  friend const CudaApi& ProcessCuda();

  // Swaps `mode` (a CUstreamCaptureMode) with the capture mode of the calling thread. Returns false, with nothing
  // changed, on failure.
  bool ExchangeCaptureMode(int& mode);

  struct State;
  State& Ready();  // opens the library at the first call

  std::unique_ptr<State> state_;
};

// Allows calls that a capture of a CUDA graph otherwise forbids: queries of other streams, and allocations that are no
// part of the graph. Holds as long as the object lives, for the thread that made it.
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

// Returns the reason that CUDA cannot be used in a process that was forked after CUDA was initialized, and the remedy.
const std::string& ForkedText();

}  // namespace nacelle::device

#endif  // NACELLE_CORE_DEVICE_CUDA_DRIVER_H_
