#include "tests/fake_gpu/torch_device.h"

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/native/TensorConversions.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/Allocator.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/util/Exception.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace nacelle::fake_gpu {
namespace {

// Streams.

// Torch names the default stream 0, its own streams by odd numbers, and those of others by their address.
constexpr size_t kPooled = 32;

void Check(Result result, const char* what) { TORCH_CHECK(result == kSuccess, "CUDA error ", result, ": ", what); }

class Pool {
 public:
  static Pool& Of(c10::DeviceIndex device) {
    static auto* const pools = new std::array<Pool, kDevices>;
    return pools->at(static_cast<size_t>(device));
  }

  void* Handle(size_t index, c10::DeviceIndex device) {
    const std::lock_guard lock(mutex_);
    void*& handle = handles_.at(index);
    if (handle == nullptr) handle = Gpu::Process().CreateStream(device);
    return handle;
  }

  c10::StreamId Next() {
    const std::lock_guard lock(mutex_);
    return static_cast<c10::StreamId>(2 * (next_++ % kPooled) + 1);
  }

 private:
  std::mutex mutex_;
  std::array<void*, kPooled> handles_ = {};
  size_t next_ = 0;
};

c10::Stream Make(c10::DeviceIndex device, c10::StreamId id) {
  return c10::Stream(c10::Stream::UNSAFE, c10::Device(c10::kCUDA, device), id);
}

// The streams that are current in this thread, by the device.
c10::StreamId& Current(c10::DeviceIndex device) {
  static thread_local std::array<c10::StreamId, kDevices> current = {};
  return current.at(static_cast<size_t>(device));
}

StreamName CurrentName(c10::DeviceIndex device) { return NameOf(CurrentStream(device)); }

c10::DeviceIndex CurrentDevice() { return static_cast<c10::DeviceIndex>(Gpu::Process().CurrentDevice()); }

class Guard final : public c10::impl::DeviceGuardImplInterface {
 public:
  c10::DeviceType type() const override { return c10::kCUDA; }
  c10::Device exchangeDevice(c10::Device device) const override {
    const c10::Device before = getDevice();
    setDevice(device);
    return before;
  }
  c10::Device getDevice() const override { return {c10::kCUDA, CurrentDevice()}; }
  void setDevice(c10::Device device) const override { uncheckedSetDevice(device); }
  // As torch does it: a thread that has no context gets none by having its current device set again.
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    if (device.index() >= 0 && device.index() != CurrentDevice()) Gpu::Process().SetDevice(device.index());
  }
  c10::DeviceIndex deviceCount() const noexcept override { return kDevices; }

  c10::Stream getStream(c10::Device device) const override { return CurrentStream(device.index()); }
  c10::Stream getDefaultStream(c10::Device device) const override { return Make(device.index(), 0); }
  c10::Stream getNewStream(c10::Device device, int /*priority*/) const override {
    return StreamFromPool(device.index());
  }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool /*high_priority*/) const override {
    return StreamFromPool(device.index());
  }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    const c10::Stream before = CurrentStream(stream.device_index());
    Current(stream.device_index()) = stream.id();
    return before;
  }
  void* getStreamNativeHandle(const c10::Stream stream) const override { return NameOf(stream).handle; }
  bool queryStream(const c10::Stream& stream) const override {
    return Gpu::Process().QueryStream(NameOf(stream)) == kSuccess;
  }
  void synchronizeStream(const c10::Stream& stream) const override { Gpu::Process().Synchronize(NameOf(stream)); }
  void synchronizeDevice(const c10::DeviceIndex /*device*/) const override { Gpu::Process().SynchronizeAll(); }

  void record(void** event, const c10::Stream& stream, const c10::DeviceIndex /*device*/,
              const c10::EventFlag /*flag*/) const override {
    const c10::DeviceGuard guard(stream.device());
    if (*event == nullptr) Check(Gpu::Process().CreateEvent(event), "an event cannot be made");
    Check(Gpu::Process().RecordEvent(*event, NameOf(stream)), "an event cannot be recorded");
  }
  void block(void* event, const c10::Stream& stream) const override {
    if (event != nullptr) Check(Gpu::Process().WaitEvent(NameOf(stream), event), "a stream cannot wait for an event");
  }
  bool queryEvent(void* event) const override {
    return event == nullptr || Gpu::Process().QueryEvent(event) == kSuccess;
  }
  void synchronizeEvent(void* event) const override {
    if (event != nullptr) Check(Gpu::Process().SynchronizeEvent(event), "an event cannot be waited for");
  }
  void destroyEvent(void* event, const c10::DeviceIndex /*device*/) const noexcept override {
    if (event != nullptr) Gpu::Process().DestroyEvent(event);
  }
  void recordDataPtrOnStream(const c10::DataPtr& data, const c10::Stream& stream) const override {
    if (data.get() != nullptr) Gpu::Process().RecordStream(data.get(), NameOf(stream));
  }
};

// Memory.

class Allocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    const c10::DeviceIndex device = CurrentDevice();
    Gpu& gpu = Gpu::Process();
    TORCH_CHECK_WITH(OutOfMemoryError, !gpu.Fails("cudaMalloc"), "CUDA out of memory. Tried to allocate ", bytes,
                     " bytes of the fake GPU ", static_cast<int>(device));
    void* const memory = gpu.Allocate(CurrentName(device), bytes);
    return {memory, memory, &Free, c10::Device(c10::kCUDA, device)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Free; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    Gpu::Process().Enqueue(CurrentName(CurrentDevice()), {.name = "a copy",
                                                          .accesses = {{from, bytes, false}, {to, bytes, true}},
                                                          .run = [=] { std::memcpy(to, from, bytes); }});
  }

 private:
  static void Free(void* memory) { Gpu::Process().Free(memory); }
};

Allocator& TheAllocator() {
  static auto* const allocator = new Allocator;
  return *allocator;
}

// Hooks.

class Hooks final : public at::CUDAHooksInterface {
 public:
  explicit Hooks(at::CUDAHooksArgs /*unused*/) {}
  void init() const override {}
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasCUDA() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex /*device*/) const override { return true; }
  c10::DeviceIndex current_device() const override { return CurrentDevice(); }
  c10::DeviceIndex deviceCount() const override { return kDevices; }
  int getNumGPUs() const override { return kDevices; }
  void setCurrentDevice(c10::DeviceIndex device) const override { Gpu::Process().SetDevice(device); }
  c10::DeviceIndex getCurrentDevice() const override { return CurrentDevice(); }
  c10::Allocator* getCUDADeviceAllocator() const override { return &TheAllocator(); }
  void deviceSynchronize(c10::DeviceIndex /*device*/) const override { Gpu::Process().SynchronizeAll(); }
};

// Kernels.

c10::Device DeviceOr(std::optional<c10::Device> device) {
  return {c10::kCUDA, device && device->has_index() ? device->index() : CurrentDevice()};
}

at::Tensor Empty(at::IntArrayRef sizes, std::optional<at::ScalarType> dtype, std::optional<at::Layout> /*layout*/,
                 std::optional<at::Device> device, std::optional<bool> /*pin*/,
                 std::optional<at::MemoryFormat> format) {
  const c10::DeviceGuard guard(DeviceOr(device));
  return at::detail::empty_generic(sizes, &TheAllocator(), c10::DispatchKeySet(c10::DispatchKey::CUDA),
                                   at::dtype_or_default(dtype), format);
}

at::Tensor EmptyStrided(at::IntArrayRef sizes, at::IntArrayRef strides, std::optional<at::ScalarType> dtype,
                        std::optional<at::Layout> /*layout*/, std::optional<at::Device> device,
                        std::optional<bool> /*pin*/) {
  const c10::DeviceGuard guard(DeviceOr(device));
  return at::detail::empty_strided_generic(sizes, strides, &TheAllocator(), c10::DispatchKeySet(c10::DispatchKey::CUDA),
                                           at::dtype_or_default(dtype));
}

void* Address(const at::Tensor& tensor) { return const_cast<void*>(tensor.const_data_ptr()); }

// The memory between a tensor's first element and its last.
Access Range(const at::Tensor& tensor, bool write) {
  if (tensor.numel() == 0) return {};
  int64_t last = 0;
  for (int64_t i = 0; i < tensor.dim(); ++i) last += (tensor.size(i) - 1) * tensor.stride(i);
  return {Address(tensor), static_cast<size_t>(last + 1) * tensor.itemsize(), write};
}

// The same memory as a tensor of the CPU, for a kernel that runs. Keeps nothing alive, as kernels do not.
at::Tensor OnHost(const at::Tensor& tensor) {
  if (!tensor.device().is_cuda()) return tensor;
  at::Tensor view = at::from_blob(Address(tensor), tensor.sizes(), tensor.strides(), tensor.options().device(at::kCPU));
  if (tensor.is_neg()) view = at::_neg_view(view);
  return tensor.is_conj() ? at::conj(view) : view;
}

// Work that torch's kernels for the CPU do when it runs, in whichever thread.
std::function<void()> OnCpu(std::function<void()> body) {
  return [body = std::move(body)] {
    const at::AutoDispatchBelowADInplaceOrView below;
    body();
  };
}

void CopyOnDevice(const at::Tensor& to, const at::Tensor& from) {
  const StreamName source = CurrentName(from.device().index());
  const StreamName target = CurrentName(to.device().index());
  const bool peer = from.device() != to.device();
  Gpu& gpu = Gpu::Process();
  // Torch copies between devices on the stream of the source, which both devices wait for.
  if (peer) gpu.WaitForStream(source, target);
  gpu.Enqueue(source, {.name = "a copy",
                       .accesses = {Range(from, false), Range(to, true)},
                       .run = OnCpu([to = OnHost(to), from = OnHost(from)]() mutable { to.copy_(from); }),
                       .peer = peer});
  if (peer) gpu.WaitForStream(target, source);
}

at::Tensor& Copy(at::Tensor& self, const at::Tensor& source, bool /*non_blocking*/) {
  if (self.numel() == 0) return self;
  if (source._is_zerotensor()) return self.zero_();
  if (source.sizes() != self.sizes()) return Copy(self, source.expand(self.sizes()), false);
  if (source.device().is_cuda() && self.device().is_cuda()) {
    CopyOnDevice(self, source);
  } else if (self.device().is_cuda()) {
    // CUDA has read memory of the host that is not pinned before its call returns.
    const at::Tensor staged = source.clone();
    Gpu::Process().Enqueue(CurrentName(self.device().index()),
                           {.name = "a copy from the host",
                            .accesses = {Range(self, true)},
                            .run = OnCpu([to = OnHost(self), staged]() mutable { to.copy_(staged); })});
  } else {
    const StreamName stream = CurrentName(source.device().index());
    Gpu::Process().Enqueue(stream, {.name = "a copy to the host",
                                    .accesses = {Range(source, false)},
                                    .run = OnCpu([to = self, from = OnHost(source)]() mutable { to.copy_(from); })});
    Gpu::Process().Synchronize(stream);
  }
  return self;
}

const at::Tensor& Resize(const at::Tensor& self, at::IntArrayRef sizes, std::optional<at::MemoryFormat> format) {
  TORCH_CHECK(!format || *format == at::MemoryFormat::Contiguous, "the fake GPU resizes contiguous tensors only");
  const size_t bytes =
      at::detail::computeStorageNbytesContiguous(sizes, self.itemsize(), static_cast<size_t>(self.storage_offset()));
  c10::StorageImpl* const storage = self.storage().unsafeGetStorageImpl();
  if (bytes > storage->nbytes()) {
    const c10::DeviceGuard guard(self.device());
    c10::DataPtr memory = TheAllocator().allocate(bytes);
    if (storage->nbytes() != 0) TheAllocator().copy_data(memory.get(), storage->data(), storage->nbytes());
    storage->set_data_ptr_noswap(std::move(memory));
    storage->set_nbytes(bytes);
  }
  self.unsafeGetTensorImpl()->set_sizes_contiguous(sizes);
  return self;
}

at::Tensor CopyFrom(const at::Tensor& self, const at::Tensor& to, bool non_blocking) {
  at::Tensor target = to;
  return Copy(target, self, non_blocking);
}

at::Tensor CopyFromAndResize(const at::Tensor& self, const at::Tensor& to) {
  if (to.sizes() != self.sizes()) to.resize_(self.sizes());
  return CopyFrom(self, to, false);
}

at::Tensor& Fill(at::Tensor& self, const at::Scalar& value) {
  Gpu::Process().Enqueue(CurrentName(self.device().index()),
                         {.name = "a fill",
                          .accesses = {Range(self, true)},
                          .run = OnCpu([to = OnHost(self), value]() mutable { to.fill_(value); })});
  return self;
}

at::Tensor& Zero(at::Tensor& self) { return Fill(self, 0); }

at::Scalar LocalScalar(const at::Tensor& self) { return self.cpu().item(); }

void RecordStream(at::Tensor& self, c10::Stream stream) {
  if (self.storage().data() != nullptr) Gpu::Process().RecordStream(self.storage().data(), NameOf(stream));
}

at::Tensor AsStrided(const at::Tensor& self, at::IntArrayRef sizes, at::IntArrayRef strides,
                     std::optional<int64_t> offset) {
  return at::native::as_strided_tensorimpl(self, sizes, strides, offset);
}

void Fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack) { at::native::cpu_fallback(op, stack); }

}  // namespace

StreamName NameOf(const c10::Stream& stream) {
  const c10::StreamId id = stream.id();
  if (id == 0) return {stream.device_index(), nullptr};
  if (id % 2 == 0) return {stream.device_index(), reinterpret_cast<void*>(id)};
  return {stream.device_index(),
          Pool::Of(stream.device_index()).Handle(static_cast<size_t>(id / 2), stream.device_index())};
}

c10::Stream ExternalStream(c10::DeviceIndex device, void* handle) {
  return Make(device, reinterpret_cast<c10::StreamId>(handle));
}

c10::Stream StreamFromPool(c10::DeviceIndex device) { return Make(device, Pool::Of(device).Next()); }

c10::Stream CurrentStream(c10::DeviceIndex device) {
  if (device < 0) device = CurrentDevice();
  return Make(device, Current(device));
}

bool CudaGraph::Capture(const c10::Stream& stream, const std::function<void()>& work, int mode) {
  Gpu& gpu = Gpu::Process();
  Destroy();
  device_ = stream.device_index();
  gpu.SynchronizeAll();
  const c10::StreamGuard guard(stream);
  Check(gpu.BeginCapture(NameOf(stream), mode), "the capture cannot begin");
  try {
    work();
  } catch (...) {
    gpu.EndCapture(NameOf(stream), &graph_);
    Destroy();
    throw;
  }
  return gpu.EndCapture(NameOf(stream), &graph_) == kSuccess;
}

void CudaGraph::Replay() const { Gpu::Process().LaunchGraph(graph_, CurrentName(device_)); }

void CudaGraph::Destroy() {
  if (graph_ != nullptr) Gpu::Process().DestroyGraph(graph_);
  graph_ = nullptr;
}

}  // namespace nacelle::fake_gpu

namespace c10 {
REGISTER_ALLOCATOR(kCUDA, &nacelle::fake_gpu::TheAllocator());
}

namespace at {
// The registry takes names of this namespace.
using FakeCudaHooks = nacelle::fake_gpu::Hooks;
C10_REGISTER_TYPED_CLASS(CUDAHooksRegistry, "CUDAHooks", FakeCudaHooks)
}  // namespace at

namespace c10::impl {
using FakeCudaGuard = nacelle::fake_gpu::Guard;
C10_REGISTER_GUARD_IMPL(CUDA, FakeCudaGuard);
}  // namespace c10::impl

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  namespace fake = nacelle::fake_gpu;
  m.impl("empty.memory_format", TORCH_FN(fake::Empty));
  m.impl("empty_strided", TORCH_FN(fake::EmptyStrided));
  m.impl("copy_", TORCH_FN(fake::Copy));
  m.impl("_copy_from", TORCH_FN(fake::CopyFrom));
  m.impl("_copy_from_and_resize", TORCH_FN(fake::CopyFromAndResize));
  m.impl("resize_", TORCH_FN(fake::Resize));
  m.impl("fill_.Scalar", TORCH_FN(fake::Fill));
  m.impl("zero_", TORCH_FN(fake::Zero));
  m.impl("_local_scalar_dense", TORCH_FN(fake::LocalScalar));
  m.impl("record_stream", TORCH_FN(fake::RecordStream));
  m.impl("as_strided", TORCH_FN(fake::AsStrided));
  m.impl("view", TORCH_FN(at::native::view));
  m.impl("view.dtype", TORCH_FN(at::native::view_dtype));
  m.impl("unfold", TORCH_FN(at::native::unfold));
  m.impl("_reshape_alias", TORCH_FN(at::native::_reshape_alias));
  m.impl("set_.source_Storage_storage_offset", TORCH_FN(at::native::set_storage_cpu_));
}

TORCH_LIBRARY_IMPL(_, CUDA, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&nacelle::fake_gpu::Fallback>());
}
