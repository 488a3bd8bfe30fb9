// GPUs that exist in this process alone. Their memory is the host's; their streams, events and captures follow CUDA's
// rules, and they tell of every use of memory that nothing orders.
//
// The fake driver (driver.cc) owns them. The fake device of torch (torch_device.cc) and the fake TensorRT (tensorrt.cc)
// reach them through this interface.
#ifndef NACELLE_TESTS_FAKE_GPU_GPU_H_
#define NACELLE_TESTS_FAKE_GPU_GPU_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace nacelle::fake_gpu {

inline constexpr int kDevices = 2;

// A stream as CUDA's callers name it: a handle, null for the legacy default stream of the device.
struct StreamName {
  int device = 0;
  void* handle = nullptr;

  friend bool operator==(const StreamName&, const StreamName&) = default;
};

// A range of memory that work reads or writes.
struct Access {
  const void* address = nullptr;
  size_t bytes = 0;
  bool write = false;
};

// A kernel or a copy: what it does to which memory.
struct Work {
  std::string name;
  std::vector<Access> accesses;
  std::function<void()> run;
  bool peer = false;  // may use memory of the other device: a copy between the two
};

// The order in which work runs. Every schedule respects streams and events, and nothing else.
enum class Schedule {
  kEager,   // at once; a program without errors sees synchronous GPUs
  kLazy,    // as late as possible: at a synchronization, and then only what it waits for
  kRandom,  // at random: at each call some of what may run
};

// Results of CUDA's functions, by the driver's numbers.
using Result = int;
inline constexpr Result kSuccess = 0;

// Every method may be called by any thread.
class Gpu {
 public:
  // The GPUs of the fake driver. Ends the process with a message if libcuda.so.1 is another one.
  static Gpu& Process();

  virtual void SetSchedule(Schedule schedule, uint64_t seed = 0) = 0;

  // The current device of the calling thread.
  virtual int CurrentDevice() = 0;
  // As cudaSetDevice: makes the device's primary context current.
  virtual void SetDevice(int device) = 0;
  virtual bool HasContext() = 0;
  // Takes the context from the thread, as a thread that has called nothing of CUDA has none.
  virtual void ForgetContext() = 0;

  // Streams. A stream that is destroyed finishes its work first.
  virtual void* CreateStream(int device) = 0;
  virtual void DestroyStream(void* stream) = 0;
  virtual void Enqueue(StreamName stream, Work work) = 0;
  // All that comes on `stream` from now on waits for what is on `before` now.
  virtual void WaitForStream(StreamName stream, StreamName before) = 0;
  virtual bool Done(StreamName stream) = 0;
  virtual void Synchronize(StreamName stream) = 0;
  virtual void SynchronizeAll() = 0;

  // Events.
  virtual Result CreateEvent(void** event) = 0;
  virtual Result DestroyEvent(void* event) = 0;
  virtual Result RecordEvent(void* event, StreamName stream) = 0;
  virtual Result WaitEvent(StreamName stream, void* event) = 0;
  virtual Result QueryEvent(void* event) = 0;
  virtual Result SynchronizeEvent(void* event) = 0;
  virtual Result QueryStream(StreamName stream) = 0;

  // Memory, as torch's caching allocator gives it: the next allocation on the same stream may get freed memory at
  // once, unless other streams were recorded for it.
  virtual void* Allocate(StreamName stream, size_t bytes) = 0;
  virtual void Free(void* memory) = 0;
  virtual void RecordStream(const void* memory, StreamName stream) = 0;
  // The streams that were recorded for the block that holds the address.
  virtual std::vector<StreamName> RecordedStreams(const void* memory) = 0;
  // The stream that the block was allocated on.
  virtual StreamName StreamOf(const void* memory) = 0;
  virtual size_t BlocksInUse() = 0;

  // Captures (modes are CUstreamCaptureMode). The caller of EndCapture owns the graph.
  virtual Result BeginCapture(StreamName stream, int mode) = 0;
  virtual Result EndCapture(StreamName stream, void** graph) = 0;
  virtual bool Capturing(StreamName stream) = 0;
  // Null if nothing is captured on the stream.
  virtual void* GraphCapturedOn(StreamName stream) = 0;
  virtual int ExchangeCaptureMode(int mode) = 0;
  virtual void LaunchGraph(void* graph, StreamName stream) = 0;
  // Destroys the graph. Its memory and its user objects go when its launches are done.
  virtual void DestroyGraph(void* graph) = 0;
  virtual size_t GraphNodes(void* graph) = 0;
  virtual Result CreateUserObject(void** object, void* value, void (*destroy)(void*)) = 0;
  virtual Result ReleaseUserObject(void* object) = 0;
  virtual Result RetainUserObject(void* graph, void* object) = 0;
  // Waits for the threads in which user objects are destroyed.
  virtual void AwaitUserObjects() = 0;

  // Functions for tests.

  // Returns true if the driver function `name` is to fail now. The function asks before it does anything, and then
  // does nothing else.
  virtual bool Fails(const char* name) = 0;
  // Makes the call fail that comes after `after` others, and all later ones if `for_good`; none if `after` is
  // negative. Calls are counted from here.
  virtual void FailAfter(int64_t after, bool for_good = false) = 0;
  // The call that failed first; empty if none has.
  virtual std::string FailedCall() = 0;
  // Calls counted since FailAfter.
  virtual int64_t Calls() = 0;
  // The same for calls of one function.
  virtual int64_t CallsOf(const std::string& name) = 0;
  // Drops one wait of a stream for an event: the one that comes after `after` others; none if `after` is negative.
  virtual void DropWaitAfter(int64_t after) = 0;
  virtual bool DroppedWait() = 0;
  virtual void Complain(const std::string& complaint) = 0;
  // The wrong uses since the last call.
  virtual std::vector<std::string> TakeComplaints() = 0;
  virtual size_t LiveEvents() = 0;
  // Work that waits to run.
  virtual size_t Pending() = 0;

 protected:
  ~Gpu() = default;
};

}  // namespace nacelle::fake_gpu

#endif  // NACELLE_TESTS_FAKE_GPU_GPU_H_
