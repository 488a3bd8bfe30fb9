// libc10_cuda.so over whichever device torch has for the device type CUDA, here the fake GPU.
//
// The functions are those of torch's own headers. Torch's interface of any device, the guard, answers them.
#include <c10/core/Allocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace c10::cuda {
namespace {

const c10::impl::DeviceGuardImplInterface& Guard() { return *c10::impl::getDeviceGuardImpl(kCUDA); }

Device DeviceOf(DeviceIndex index) { return index < 0 ? Guard().getDevice() : Device(kCUDA, index); }

void Check(cudaError_t error, const char* file, const char* function, uint32_t line) {
  TORCH_CHECK(error == cudaSuccess, "CUDA error: ", cudaGetErrorString(error), " (", function, ", ", file, ":", line,
              ")");
}

}  // namespace

// The device.

DeviceIndex device_count() noexcept {
  int count = 0;
  cudaGetDeviceCount(&count);
  return static_cast<DeviceIndex>(count);
}

DeviceIndex current_device() { return Guard().getDevice().index(); }
void set_device(DeviceIndex device, const bool force) { C10_CUDA_CHECK(SetDevice(device, force)); }

cudaError_t GetDevice(DeviceIndex* device) {
  *device = current_device();
  return cudaSuccess;
}

cudaError_t SetDevice(DeviceIndex device, const bool /*force*/) { return cudaSetDevice(device); }
cudaError_t MaybeSetDevice(DeviceIndex device) { return cudaSetDevice(device); }

DeviceIndex ExchangeDevice(DeviceIndex device) {
  const DeviceIndex before = current_device();
  C10_CUDA_CHECK(cudaSetDevice(device));
  return before;
}

// Streams.

CUDAStream getStreamFromPool(const bool high_priority, DeviceIndex device) {
  return CUDAStream(Guard().getStreamFromGlobalPool(DeviceOf(device), high_priority));
}
CUDAStream getStreamFromPool(const int priority, DeviceIndex device) { return getStreamFromPool(priority < 0, device); }
CUDAStream getCurrentCUDAStream(DeviceIndex device) { return CUDAStream(Guard().getStream(DeviceOf(device))); }
CUDAStream getDefaultCUDAStream(DeviceIndex device) { return CUDAStream(Guard().getDefaultStream(DeviceOf(device))); }
void setCurrentCUDAStream(CUDAStream stream) { Guard().exchangeStream(stream); }

cudaStream_t CUDAStream::stream() const { return static_cast<cudaStream_t>(Guard().getStreamNativeHandle(stream_)); }
bool CUDAStream::query() const { return Guard().queryStream(stream_); }
void CUDAStream::synchronize() const { Guard().synchronizeStream(stream_); }

// Errors.

void c10_cuda_check_implementation(const int32_t error, const char* file, const char* function, const uint32_t line,
                                   const bool /*device_assertions*/) {
  Check(static_cast<cudaError_t>(error), file, function, line);
}

// From torch 2.14 on an object of this class catches what CUDA logs while a call runs. Nothing is logged here.
struct __attribute__((visibility("default"))) CUDAErrorLogCapture {
  CUDAErrorLogCapture();
};
CUDAErrorLogCapture::CUDAErrorLogCapture() = default;

__attribute__((visibility("default"))) void c10_cuda_check_implementation(int32_t error, const char* file,
                                                                          const char* function, uint32_t line, bool,
                                                                          CUDAErrorLogCapture*);
void c10_cuda_check_implementation(int32_t error, const char* file, const char* function, uint32_t line, bool,
                                   CUDAErrorLogCapture*) {
  Check(static_cast<cudaError_t>(error), file, function, line);
}

// Memory.

namespace CUDACachingAllocator {
namespace {

[[noreturn]] void Refuse(const char* function) { TORCH_CHECK(false, "the fake GPU's memory has no ", function); }

// The device's allocator under the name that CUDA's has.
class DeviceMemory final : public CUDAAllocator {
 public:
  // C10::Allocator.
  DataPtr allocate(size_t size) override { return Torchs().allocate(size); }
  DeleterFnPtr raw_deleter() const override { return Torchs().raw_deleter(); }
  void copy_data(void* to, const void* from, std::size_t size) const override { Torchs().copy_data(to, from, size); }

  // C10::DeviceAllocator.
  bool initialized() override { return true; }
  void emptyCache(MempoolId_t) override {}
  void recordStream(const DataPtr& memory, Stream stream) override { Guard().recordDataPtrOnStream(memory, stream); }
  CachingDeviceAllocator::DeviceStats getDeviceStats(DeviceIndex) override { return {}; }
  void resetAccumulatedStats(DeviceIndex) override {}
  void resetPeakStats(DeviceIndex) override {}

  // CUDAAllocator.
  void* raw_alloc(size_t size) override { return Torchs().raw_allocate(size); }
  void* raw_alloc_with_stream(size_t size, cudaStream_t) override { return raw_alloc(size); }
  void raw_delete(void* memory) override { Torchs().raw_deallocate(memory); }
  void init(int) override {}
  double getMemoryFraction(DeviceIndex) override { return 1; }
  void setMemoryFraction(double, DeviceIndex) override { Refuse("setMemoryFraction"); }
  std::vector<StreamSegmentSize> getExpandableSegmentSizes(DeviceIndex) override { return {}; }
  void enable(bool) override {}
  bool isEnabled() const override { return true; }
  void cacheInfo(DeviceIndex, size_t* largest) override { *largest = 0; }
  void* getBaseAllocation(void*, size_t*) override { Refuse("getBaseAllocation"); }
  void recordStream(const DataPtr& memory, CUDAStream stream) override {
    Guard().recordDataPtrOnStream(memory, stream);
  }
  SnapshotInfo snapshot(MempoolId_t, bool) override { return {}; }
  void beginAllocateToPool(DeviceIndex, MempoolId_t, std::function<bool(cudaStream_t)>) override {
    Refuse("beginAllocateToPool");
  }
  void endAllocateToPool(DeviceIndex, MempoolId_t) override { Refuse("endAllocateToPool"); }
  void releasePool(DeviceIndex, MempoolId_t) override { Refuse("releasePool"); }
  ShareableHandle shareIpcHandle(void*) override { Refuse("shareIpcHandle"); }
  std::shared_ptr<void> getIpcDevPtr(std::string) override { Refuse("getIpcDevPtr"); }
  void recordHistory(bool, CreateContextFn, size_t, RecordContext, bool, const std::vector<std::string>&) override {
    Refuse("recordHistory");
  }
  void attachOutOfMemoryObserver(OutOfMemoryObserver) override { Refuse("attachOutOfMemoryObserver"); }
  void attachOomRejectionObserver(OomRejectionObserver) override { Refuse("attachOomRejectionObserver"); }
  void attachAllocatorTraceTracker(AllocatorTraceTracker) override { Refuse("attachAllocatorTraceTracker"); }
  void enablePeerAccess(DeviceIndex, DeviceIndex) override { Refuse("enablePeerAccess"); }
  cudaError_t memcpyAsync(void* to, int, const void* from, int, size_t size, cudaStream_t, bool) override {
    copy_data(to, from, size);
    return cudaSuccess;
  }
  std::shared_ptr<AllocatorState> getCheckpointState(DeviceIndex, MempoolId_t) override {
    Refuse("getCheckpointState");
  }
  CheckpointDelta setCheckpointPoolState(DeviceIndex, std::shared_ptr<AllocatorState>) override {
    Refuse("setCheckpointPoolState");
  }
  std::string name() override { return "the fake GPU's memory"; }

 private:
  static Allocator& Torchs() { return *GetAllocator(kCUDA); }
};

DeviceMemory device_memory;

}  // namespace

std::atomic<CUDAAllocator*> allocator{&device_memory};

}  // namespace CUDACachingAllocator
}  // namespace c10::cuda
