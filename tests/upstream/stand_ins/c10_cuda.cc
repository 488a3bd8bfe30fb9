// libc10_cuda.so for a machine without a GPU: the device, the streams and the allocator that torch's CUDA build has.
//
// The functions are those of torch's own headers, over the stand-in for the CUDA runtime: work is done when it is
// enqueued, so that streams need an identity and nothing else.
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

constexpr StreamId kDefaultStream = 0;
constexpr StreamId kSideStream = 1;  // the only one of the pool

thread_local StreamId current_stream = kDefaultStream;

CUDAStream StreamOf(StreamId id) {
  return CUDAStream(CUDAStream::UNCHECKED, Stream(Stream::UNSAFE, Device(kCUDA, 0), id));
}

void Check(cudaError_t error, const char* file, const char* function, uint32_t line) {
  TORCH_CHECK(error == cudaSuccess, "CUDA error: ", cudaGetErrorString(error), " (", function, ", ", file, ":", line,
              ")");
}

}  // namespace

// ---- the device

DeviceIndex device_count() noexcept { return 1; }
DeviceIndex current_device() { return 0; }
void set_device(DeviceIndex device, const bool force) { C10_CUDA_CHECK(SetDevice(device, force)); }
void warn_or_error_on_sync() {}

cudaError_t GetDevice(DeviceIndex* device) {
  *device = 0;
  return cudaSuccess;
}

cudaError_t SetDevice(DeviceIndex device, const bool /*force*/) { return cudaSetDevice(device); }
cudaError_t MaybeSetDevice(DeviceIndex device) { return cudaSetDevice(device); }

DeviceIndex ExchangeDevice(DeviceIndex device) {
  C10_CUDA_CHECK(cudaSetDevice(device));
  return 0;
}

// ---- streams

CUDAStream getStreamFromPool(const bool /*high_priority*/, DeviceIndex) { return StreamOf(kSideStream); }
CUDAStream getStreamFromPool(const int /*priority*/, DeviceIndex) { return StreamOf(kSideStream); }
CUDAStream getCurrentCUDAStream(DeviceIndex) { return StreamOf(current_stream); }
CUDAStream getDefaultCUDAStream(DeviceIndex) { return StreamOf(kDefaultStream); }
void setCurrentCUDAStream(CUDAStream stream) { current_stream = stream.id(); }

cudaStream_t CUDAStream::stream() const { return reinterpret_cast<cudaStream_t>(id()); }
bool CUDAStream::query() const { return true; }
void CUDAStream::synchronize() const {}

// ---- errors

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

// ---- memory

namespace CUDACachingAllocator {
namespace {

[[noreturn]] void Refuse(const char* function) {
  TORCH_CHECK(false, "the allocator of the host's memory has no ", function);
}

void Free(void* memory) { C10_CUDA_CHECK_WARN(cudaFree(memory)); }

// Host memory, freed when its last tensor goes: nothing is cached, and no stream has work that still reads it.
class HostAllocator final : public CUDAAllocator {
 public:
  // ---- c10::Allocator
  DataPtr allocate(size_t size) override {
    void* memory = raw_alloc(size);
    return {memory, memory, &Free, Device(kCUDA, 0)};
  }
  DeleterFnPtr raw_deleter() const override { return &Free; }
  void copy_data(void* to, const void* from, std::size_t size) const override { std::memcpy(to, from, size); }

  // ---- c10::DeviceAllocator
  bool initialized() override { return true; }
  void emptyCache(MempoolId_t) override {}
  void recordStream(const DataPtr&, Stream) override {}
  CachingDeviceAllocator::DeviceStats getDeviceStats(DeviceIndex) override { return {}; }
  void resetAccumulatedStats(DeviceIndex) override {}
  void resetPeakStats(DeviceIndex) override {}

  // ---- CUDAAllocator
  void* raw_alloc(size_t size) override {
    void* memory = nullptr;
    C10_CUDA_CHECK(cudaMalloc(&memory, size));
    return memory;
  }
  void* raw_alloc_with_stream(size_t size, cudaStream_t) override { return raw_alloc(size); }
  void raw_delete(void* memory) override { Free(memory); }
  void init(int) override {}
  double getMemoryFraction(DeviceIndex) override { return 1; }
  void setMemoryFraction(double, DeviceIndex) override { Refuse("setMemoryFraction"); }
  std::vector<StreamSegmentSize> getExpandableSegmentSizes(DeviceIndex) override { return {}; }
  void enable(bool) override {}
  bool isEnabled() const override { return true; }
  void cacheInfo(DeviceIndex, size_t* largest) override { *largest = 0; }
  void* getBaseAllocation(void*, size_t*) override { Refuse("getBaseAllocation"); }
  void recordStream(const DataPtr&, CUDAStream) override {}
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
  std::string name() override { return "the host's memory"; }
};

HostAllocator host_allocator;

}  // namespace

std::atomic<CUDAAllocator*> allocator{&host_allocator};

}  // namespace CUDACachingAllocator
}  // namespace c10::cuda
