#include "tests/fake_gpu/gpu_context.h"

#include <array>
#include <cstring>
#include <exception>
#include <optional>
#include <stdexcept>
#include <utility>

#include "core/text.h"
#include "reference/client.h"
#include "reference/network.h"

namespace nacelle::fake_gpu {

using reference::Binding;
using reference::Dims32;
using reference::Dims64;
using reference::ExecutionContext;
using reference::Shape;
using reference::TensorSpec;
using tensorrt::Method;

namespace {

constexpr size_t kScratchOfALayer = 512;

// TensorRT's own memory is no torch's: it is ready for all streams.
void* AllocateForAll(int device, size_t bytes) {
  static auto* const streams =
      new std::array<void*, kDevices>{Gpu::Process().CreateStream(0), Gpu::Process().CreateStream(1)};
  const StreamName stream{device, streams->at(static_cast<size_t>(device))};
  void* const memory = Gpu::Process().Allocate(stream, bytes);
  Gpu::Process().Synchronize(stream);
  return memory;
}

size_t Bytes(const reference::Tensor& tensor, const Shape& shape) {
  size_t bytes = static_cast<size_t>(tensor.dtype->bytes);
  for (const int64_t extent : shape) bytes *= static_cast<size_t>(extent);
  return bytes;
}

// A method of the reference engine's context that stands for the same of a GpuContext.
template <auto Function>
struct Forwarded;

template <typename R, typename... Args, R (ExecutionContext::*Function)(Args...)>
struct Forwarded<Function> {
  static R Call(reference::Impl* impl, Args... args) noexcept {
    return (static_cast<GpuContext*>(impl->owner)->inner().*Function)(args...);
  }
};

template <auto Function>
Binding Forward(Method method) {
  return {method, reinterpret_cast<const void*>(&Forwarded<Function>::Call)};
}

template <typename D>
std::vector<Binding> ShapeBindings() {
  return {
      Forward<&ExecutionContext::SetInputShape<D>>(Method::kExecutionContext_setInputShape),
      Forward<&ExecutionContext::GetTensorShape<D>>(Method::kExecutionContext_getTensorShape),
  };
}

}  // namespace

bool IsOnHost(const std::string& tensor) { return tensor.starts_with("host"); }

size_t ScratchBytes(const reference::LoadedPlan& plan) {
  return kScratchOfALayer * (1 + plan.network().layers().size());
}

// The inputs and outputs of a run, as they were set when it was enqueued.
struct GpuContext::Call {
  struct Input {
    tensorrt::DataType dtype = tensorrt::DataType::kFLOAT;
    Shape shape;
    void* address = nullptr;
    std::vector<char> on_host;  // the values, which TensorRT has read when enqueueV3 returns
  };
  struct Output {
    std::string name;
    void* address = nullptr;
    void* allocator = nullptr;
  };

  explicit Call(std::shared_ptr<reference::LoadedPlan> of) : plan(std::move(of)), workspace(plan->network()) {}

  void Compute() {
    std::vector<reference::TensorView> views;
    for (Input& input : inputs) {
      views.push_back({input.dtype, input.shape, input.on_host.empty() ? input.address : input.on_host.data()});
    }
    workspace.Run(views);
    computed = true;
  }

  void Write() {
    for (size_t i = 0; i < outputs.size(); ++i) workspace.Copy(i, outputs[i].address);
    workspace.Release();
  }

  const std::shared_ptr<reference::LoadedPlan> plan;
  reference::Workspace workspace;
  std::vector<Input> inputs;
  std::vector<Output> outputs;
  std::vector<Access> reads;
  std::vector<Access> writes;
  Access scratch;
  bool sized_by_values = false;
  bool computed = false;
};

GpuContext::GpuContext(reference::CudaEngine& engine, int device, int32_t strategy, bool scratch_by_caller)
    : InterfaceObject(reference::MethodsOf<GpuContext>(engine.table()), engine.reporter()),
      plan_(engine.plan()),
      inner_(std::make_unique<ExecutionContext>(&engine, plan_, engine.reporter(), strategy, false)),
      device_(device),
      scratch_by_caller_(scratch_by_caller) {
  CheckDevice("an execution context is made");
  if (!scratch_by_caller_) scratch_ = AllocateForAll(device_, ScratchBytes(*plan_));
}

GpuContext::~GpuContext() {
  CheckDevice("an execution context is destroyed");
  if (scratch_by_caller_) return;
  // As cudaFree, which waits for the device.
  Gpu::Process().SynchronizeAll();
  Gpu::Process().Free(scratch_);
}

void GpuContext::CheckDevice(const char* what) {
  const int current = Gpu::Process().CurrentDevice();
  if (current == device_) return;
  Gpu::Process().Complain(Cat(what, " while GPU ", current, " is current; its engine is on GPU ", device_));
}

bool GpuContext::Refuse(const std::string& message) {
  reporter().Fail(tensorrt::ErrorCode::kINVALID_STATE, Cat("IExecutionContext::enqueueV3: ", message));
  return false;
}

void GpuContext::SetDeviceMemory(void* memory) {
  SetDeviceMemoryV2(memory, static_cast<int64_t>(ScratchBytes(*plan_)));
}

void GpuContext::SetDeviceMemoryV2(void* memory, int64_t bytes) {
  if (bytes < static_cast<int64_t>(ScratchBytes(*plan_))) {
    Gpu::Process().Complain(
        Cat("a context that needs ", ScratchBytes(*plan_), " bytes of scratch memory gets ", bytes));
  }
  scratch_ = memory;
}

bool GpuContext::SetOptimizationProfileAsync(int32_t profile, void* stream) {
  if (Gpu::Process().Fails("setOptimizationProfileAsync")) return Refuse("CUDA error 719, unspecified launch failure");
  CheckDevice("an optimization profile is set");
  if (!inner_->SetOptimizationProfileAsync(profile, stream)) return false;
  Work work{"a change of the optimization profile", {}, {}};
  if (!scratch_by_caller_) work.accesses.push_back({scratch_, ScratchBytes(*plan_), true});
  Gpu::Process().Enqueue({device_, stream}, std::move(work));
  return true;
}

// Notes what the call reads and writes. False if something is not set.
bool GpuContext::Prepare(Call& call) {
  for (const reference::Tensor& tensor : plan_->tensors()) {
    const char* const name = tensor.spec->name.c_str();
    void* const address = const_cast<void*>(inner_->GetTensorAddress(name));
    const std::optional<Shape> shape = inner_->CurrentShape(tensor);
    if (!shape) return Refuse(Cat("tensor ", Quote(name), " has no shape"));
    void* const allocator = tensor.is_input ? nullptr : inner_->GetOutputAllocator(name);
    if (address == nullptr && allocator == nullptr) return Refuse(Cat("tensor ", Quote(name), " has no address"));
    if (tensor.is_input) {
      Call::Input input{tensor.spec->dtype, *shape, address, {}};
      const size_t bytes = Bytes(tensor, *shape);
      if (IsOnHost(name)) {
        input.on_host.assign(static_cast<char*>(address), static_cast<char*>(address) + bytes);
      } else {
        call.reads.push_back({address, bytes, false});
      }
      call.inputs.push_back(std::move(input));
    } else {
      call.outputs.push_back({name, address, allocator});
      call.sized_by_values = call.sized_by_values || allocator != nullptr;
      if (allocator == nullptr) call.writes.push_back({address, Bytes(tensor, *shape), true});
    }
  }
  if (scratch_ == nullptr) return Refuse("there is no scratch memory");
  call.scratch = {scratch_, ScratchBytes(*plan_), true};
  return true;
}

// The sizes of outputs are known once the values are there, for which TensorRT waits within the call.
bool GpuContext::EnqueueSizedByValues(StreamName stream, const std::shared_ptr<Call>& call) {
  Gpu& gpu = Gpu::Process();
  if (gpu.Capturing(stream)) return Refuse("an output's size depends on values, which a capture cannot wait for");
  std::vector<Access> accesses = call->reads;
  accesses.push_back(call->scratch);
  gpu.Enqueue(stream, {.name = "an engine", .accesses = accesses, .run = [call] { call->Compute(); }});
  gpu.Synchronize(stream);
  if (!call->computed) return Refuse("the engine failed");
  for (size_t i = 0; i < call->outputs.size(); ++i) {
    Call::Output& output = call->outputs[i];
    if (output.allocator == nullptr) continue;
    const size_t bytes = call->workspace.bytes(i);
    output.address = reference::ReallocateOutput(table(), output.allocator, output.name.c_str(), output.address, bytes,
                                                 stream.handle);
    if (output.address == nullptr) return Refuse(Cat("there is no memory for output ", Quote(output.name)));
    reference::NotifyShape(table(), output.allocator, output.name.c_str(), call->workspace.shape(i));
    call->writes.push_back({output.address, bytes, true});
  }
  accesses = call->writes;
  accesses.push_back({call->scratch.address, call->scratch.bytes, false});
  gpu.Enqueue(stream, {.name = "an engine's outputs", .accesses = accesses, .run = [call] { call->Write(); }});
  return true;
}

bool GpuContext::EnqueueV3(void* handle) {
  Gpu& gpu = Gpu::Process();
  if (gpu.Fails("enqueueV3")) return Refuse("CUDA error 719, unspecified launch failure");
  CheckDevice("an engine is enqueued");
  if (handle == nullptr) gpu.Complain("an engine is enqueued on the default stream, on which TensorRT synchronizes");
  const StreamName stream{device_, handle};
  const auto call = std::make_shared<Call>(plan_);
  if (!Prepare(*call)) return false;
  if (call->sized_by_values) {
    if (!EnqueueSizedByValues(stream, call)) return false;
  } else {
    std::vector<Access> accesses = call->reads;
    accesses.insert(accesses.end(), call->writes.begin(), call->writes.end());
    accesses.push_back(call->scratch);
    gpu.Enqueue(stream, {.name = "an engine", .accesses = std::move(accesses), .run = [call] {
                           call->Compute();
                           call->Write();
                         }});
  }
  if (inner_->GetProfiler() != nullptr) {
    gpu.Synchronize(stream);
    reference::ReportLayerTime(table(), inner_->GetProfiler(), "forward", 1.0F);
  }
  return true;
}

std::vector<Binding> GpuContext::Bindings(const tensorrt::SlotTable& table) {
  using C = ExecutionContext;
  std::vector<Binding> bindings = table.dims64 ? ShapeBindings<Dims64>() : ShapeBindings<Dims32>();
  const std::vector<Binding> others = {
      reference::Bind<&GpuContext::EnqueueV3>(Method::kExecutionContext_enqueueV3),
      reference::Bind<&GpuContext::SetOptimizationProfileAsync>(Method::kExecutionContext_setOptimizationProfileAsync),
      reference::Bind<&GpuContext::SetDeviceMemory>(Method::kExecutionContext_setDeviceMemory),
      reference::Bind<&GpuContext::SetDeviceMemoryV2>(Method::kExecutionContext_setDeviceMemoryV2),
      Forward<&C::GetOptimizationProfile>(Method::kExecutionContext_getOptimizationProfile),
      Forward<&C::SetTensorAddress>(Method::kExecutionContext_setTensorAddress),
      Forward<&C::SetInputTensorAddress>(Method::kExecutionContext_setInputTensorAddress),
      Forward<&C::SetOutputAllocator>(Method::kExecutionContext_setOutputAllocator),
      Forward<&C::SetProfiler>(Method::kExecutionContext_setProfiler),
  };
  bindings.insert(bindings.end(), others.begin(), others.end());
  return bindings;
}

}  // namespace nacelle::fake_gpu
