// CUDA events through the driver: points in the work of a stream that other streams can wait for.
#ifndef NACELLE_CORE_DEVICE_CUDA_EVENT_H_
#define NACELLE_CORE_DEVICE_CUDA_EVENT_H_

namespace nacelle::device {

// An event without a time. Streams are cudaStream_t, null for the legacy default stream, of the current device; a
// thread that uses one has called UseDevice. For one thread at a time. Throws DeviceError with the driver's reason.
class CudaEvent {
 public:
  CudaEvent() = default;
  ~CudaEvent();
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  // Marks the work that is on `stream` now, instead of what was marked before.
  void Record(void* stream);

  // What comes on `stream` from now on waits for the marked work. Nothing where none was marked.
  void Block(void* stream) const;

  // Whether the marked work is done.
  bool Done() const;

 private:
  void* event_ = nullptr;  // a CUevent, made when it is first recorded
};

// Whether all work on `stream` is done. Where a graph is captured on it, what came before counts as done: who captures
// has waited for it, as torch.cuda.graph does, and the driver would end the capture with an error if it were asked.
// Throws DeviceError.
bool StreamDone(void* stream);

// Makes the CUDA context of GPU `id` that CUDA's runtime uses current in this thread, where none is: CUDA's runtime
// does so at its own first call that needs one. Costs a look at a thread's own memory after the first time.
void UseDevice(int id);

}  // namespace nacelle::device

#endif  // NACELLE_CORE_DEVICE_CUDA_EVENT_H_
