// CUDA events through the driver: points in the work of a stream that other streams can wait for.
//
//   UseDevice(0);
//   CudaEvent event;
//   event.Record(producer);  // marks the work that is on `producer` now
//   event.Block(consumer);   // later work on `consumer` waits for it; the host does not
#ifndef NACELLE_CORE_DEVICE_CUDA_EVENT_H_
#define NACELLE_CORE_DEVICE_CUDA_EVENT_H_

namespace nacelle::device {

// An event that records no time. For one thread at a time, which has called UseDevice. Streams are cudaStream_t of the
// current device; null is the legacy default stream. Methods throw DeviceError with the driver's reason.
class CudaEvent {
 public:
  CudaEvent() = default;
  ~CudaEvent();
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  // Marks the work that is on `stream` now, instead of what was marked before.
  void Record(void* stream);

  // Makes later work on `stream` wait for the marked work. Does nothing if no work was marked.
  void Block(void* stream) const;

  // True if the marked work is done, or no work was marked.
  bool Done() const;

 private:
  void* event_ = nullptr;  // a CUevent, made when it is first recorded
};

// True if all work on `stream` is done. If a graph is captured on it, earlier work counts as done: the program that
// captures has waited for it, as torch.cuda.graph does, and a question to the driver would end the capture with an
// error. Throws DeviceError.
bool StreamDone(void* stream);

// Makes the primary CUDA context of GPU `id` current in this thread if none is, as CUDA's runtime does at its own first
// call. After the first time it costs one read of a thread-local flag. Throws DeviceError.
void UseDevice(int id);

}  // namespace nacelle::device

#endif  // NACELLE_CORE_DEVICE_CUDA_EVENT_H_
