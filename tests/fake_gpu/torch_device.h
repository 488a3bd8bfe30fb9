// A device "cuda" of torch on the fake GPUs, for a CPU build of torch. Linking with it, or loading it, is enough: it
// registers a device guard, an allocator, hooks and kernels.
//
// Copies and fills are work on the current stream, as with CUDA; what has no kernel of its own runs on the CPU between
// two copies that wait for the device.
#ifndef NACELLE_TESTS_FAKE_GPU_TORCH_DEVICE_H_
#define NACELLE_TESTS_FAKE_GPU_TORCH_DEVICE_H_

#include <c10/core/Device.h>
#include <c10/core/Stream.h>

#include <functional>

#include "tests/fake_gpu/gpu.h"

namespace nacelle::fake_gpu {

// The stream that torch names.
StreamName NameOf(const c10::Stream& stream);

// A stream that was made without torch, as torch names it.
c10::Stream ExternalStream(c10::DeviceIndex device, void* handle);

c10::Stream StreamFromPool(c10::DeviceIndex device);

c10::Stream CurrentStream(c10::DeviceIndex device);

// A CUDA graph, as torch.cuda.CUDAGraph is one.
class CudaGraph {
 public:
  CudaGraph() = default;
  ~CudaGraph() { Destroy(); }
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  // Captures what `work` enqueues on `stream`, which is current in it. As torch.cuda.graph does, it waits for the
  // device first. `mode` is a CUstreamCaptureMode, 0 for global. False if the capture failed; what `work` throws, it
  // throws.
  bool Capture(const c10::Stream& stream, const std::function<void()>& work, int mode = 0);

  // Enqueues it on the current stream of its device.
  void Replay() const;

  void Destroy();

  void* handle() const { return graph_; }

 private:
  void* graph_ = nullptr;
  c10::DeviceIndex device_ = 0;
};

}  // namespace nacelle::fake_gpu

#endif  // NACELLE_TESTS_FAKE_GPU_TORCH_DEVICE_H_
