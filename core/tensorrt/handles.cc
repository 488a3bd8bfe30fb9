#include "core/tensorrt/handles.h"

#include <algorithm>
#include <mutex>

#include "core/error.h"
#include "core/fork.h"
#include "core/tensorrt/messages.h"
#include "core/text.h"

namespace nacelle::tensorrt {
namespace {

// True if an address can be that of an object. Some libraries add an offset to a null pointer before they return it:
// the lean runtime of 11.1 does if there is no CUDA driver.
bool IsObject(const void* address) { return reinterpret_cast<uintptr_t>(address) >= 4096; }

// Calls `create` and owns the interface object that it returns; throws E, with TensorRT's log, if that is none.
template <typename E, typename F>
std::shared_ptr<const LibraryObject> Make(const std::shared_ptr<const Library>& library,
                                          std::shared_ptr<const LibraryObject> parent, Method deleter,
                                          const std::string& failure, const F& create) {
  const MessageScope messages;
  std::unique_lock<ForkableMutex<>> lock;
  if (parent != nullptr) lock = std::unique_lock(parent->creation());
  void* const made = create();
  if (!IsObject(made)) {
    const std::string speaker = library->Describe();
    throw E(Cat(speaker, " ", failure, messages.ErrorSuffix(speaker)));
  }
  return std::make_shared<const LibraryObject>(library, std::move(parent), made, deleter);
}

// Returns `text`; throws if it is null.
std::string TextOrThrow(const LibraryObject& object, const char* text, const char* failure,
                        const MessageScope& messages) {
  if (text != nullptr) return text;
  const std::string speaker = object.library()->Describe();
  throw ExecutionError(Cat(speaker, " ", failure, messages.ErrorSuffix(speaker)));
}

void* ObjectOf(Callback* callback) { return callback == nullptr ? nullptr : callback->object(); }

}  // namespace

std::string_view HostMemory::bytes() const {
  const void* const data = object_->Call<void*()>(Method::kHostMemory_data);
  return {static_cast<const char*>(data), object_->Call<size_t()>(Method::kHostMemory_size)};
}

std::string EngineInspector::EngineInformation(LayerInformationFormat format) const {
  const MessageScope messages;
  const char* text =
      object_->Call<const char*(LayerInformationFormat)>(Method::kEngineInspector_getEngineInformation, format);
  return TextOrThrow(*object_, text, "gave no information about the engine", messages);
}

ExecutionContext::Hot ExecutionContext::Resolve(const LibraryObject& object) {
  Hot hot = {};
  hot.implementation = object.implementation();
  if (object.table().dims64) {
    hot.set_input_shape64 = object.Function<bool(const char*, const Dims64&)>(Method::kExecutionContext_setInputShape);
    hot.tensor_shape64 = object.Function<Dims64(const char*)>(Method::kExecutionContext_getTensorShape);
  } else {
    hot.set_input_shape32 = object.Function<bool(const char*, const Dims32&)>(Method::kExecutionContext_setInputShape);
    hot.tensor_shape32 = object.Function<Dims32(const char*)>(Method::kExecutionContext_getTensorShape);
  }
  hot.set_tensor_address = object.Function<bool(const char*, void*)>(Method::kExecutionContext_setTensorAddress);
  hot.set_input_tensor_address =
      object.Function<bool(const char*, const void*)>(Method::kExecutionContext_setInputTensorAddress);
  hot.enqueue = object.Function<bool(void*)>(Method::kExecutionContext_enqueueV3);
  return hot;
}

ExecutionContext::ExecutionContext(std::shared_ptr<const LibraryObject> object)
    : Handle(std::move(object)), hot_(Resolve(*object_)) {}

bool ExecutionContext::SetOptimizationProfile(int32_t profile, void* stream) {
  return object_->Call<bool(int32_t, void*)>(Method::kExecutionContext_setOptimizationProfileAsync, profile, stream);
}

int32_t ExecutionContext::OptimizationProfile() const {
  return object_->Call<int32_t()>(Method::kExecutionContext_getOptimizationProfile);
}

int32_t ExecutionContext::InferShapes(std::span<const char*> missing) {
  return object_->Call<int32_t(int32_t, const char**)>(Method::kExecutionContext_inferShapes,
                                                       static_cast<int32_t>(missing.size()),
                                                       missing.empty() ? nullptr : missing.data());
}

int64_t ExecutionContext::MaxOutputBytes(const char* tensor) const {
  return object_->Call<int64_t(const char*)>(Method::kExecutionContext_getMaxOutputSize, tensor);
}

bool ExecutionContext::SetOutputAllocator(const char* tensor, OutputAllocator* allocator) {
  return object_->Call<bool(const char*, void*)>(Method::kExecutionContext_setOutputAllocator, tensor,
                                                 ObjectOf(allocator));
}

void ExecutionContext::SetDeviceMemory(void* memory, int64_t size) {
  if (Has(Method::kExecutionContext_setDeviceMemoryV2)) {
    return object_->Call<void(void*, int64_t)>(Method::kExecutionContext_setDeviceMemoryV2, memory, size);
  }
  object_->Call<void(void*)>(Method::kExecutionContext_setDeviceMemory, memory);
}

void ExecutionContext::SetProfiler(Profiler* profiler) {
  object_->Call<void(void*)>(Method::kExecutionContext_setProfiler, ObjectOf(profiler));
}

bool ExecutionContext::SetCommunicator(void* communicator) {
  return object_->Call<bool(void*)>(Method::kExecutionContext_setCommunicator, communicator);
}

int32_t CudaEngine::NumIoTensors() const { return object_->Call<int32_t()>(Method::kCudaEngine_getNbIOTensors); }

const char* CudaEngine::IoTensorName(int32_t index) const {
  return object_->Call<const char*(int32_t)>(Method::kCudaEngine_getIOTensorName, index);
}

TensorIOMode CudaEngine::IoMode(const char* tensor) const {
  return object_->Call<TensorIOMode(const char*)>(Method::kCudaEngine_getTensorIOMode, tensor);
}

DataType CudaEngine::Type(const char* tensor) const {
  return object_->Call<DataType(const char*)>(Method::kCudaEngine_getTensorDataType, tensor);
}

Dims CudaEngine::Shape(const char* tensor) const {
  constexpr Method kMethod = Method::kCudaEngine_getTensorShape;
  if (object_->table().dims64) return FromWire(object_->Call<Dims64(const char*)>(kMethod, tensor));
  return FromWire(object_->Call<Dims32(const char*)>(kMethod, tensor));
}

TensorLocation CudaEngine::Location(const char* tensor) const {
  return object_->Call<TensorLocation(const char*)>(Method::kCudaEngine_getTensorLocation, tensor);
}

bool CudaEngine::IsShapeInferenceIo(const char* tensor) const {
  return object_->Call<bool(const char*)>(Method::kCudaEngine_isShapeInferenceIO, tensor);
}

const char* CudaEngine::AliasedInput(const char* output) const {
  return object_->Call<const char*(const char*)>(Method::kCudaEngine_getAliasedInputTensor, output);
}

int32_t CudaEngine::NumProfiles() const {
  return object_->Call<int32_t()>(Method::kCudaEngine_getNbOptimizationProfiles);
}

Dims CudaEngine::ProfileShape(const char* tensor, int32_t profile, OptProfileSelector selector) const {
  constexpr Method kMethod = Method::kCudaEngine_getProfileShape;
  if (object_->table().dims64) {
    return FromWire(
        object_->Call<Dims64(const char*, int32_t, OptProfileSelector)>(kMethod, tensor, profile, selector));
  }
  return FromWire(object_->Call<Dims32(const char*, int32_t, OptProfileSelector)>(kMethod, tensor, profile, selector));
}

size_t CudaEngine::NumProfileValues(const char* tensor) const {
  size_t count = 1;
  const Dims shape = Shape(tensor);
  if (!shape.valid()) return 0;
  for (const int64_t extent : shape.extents()) count *= extent < 0 ? 0 : static_cast<size_t>(extent);
  return count;
}

std::vector<int64_t> CudaEngine::ProfileTensorValues(const char* tensor, int32_t profile,
                                                     OptProfileSelector selector) const {
  const size_t count = NumProfileValues(tensor);
  const auto copy = [count](const auto* values) {
    return values == nullptr ? std::vector<int64_t>() : std::vector<int64_t>(values, values + count);
  };
  if (Has(Method::kCudaEngine_getProfileTensorValuesV2)) {
    return copy(object_->Call<const int64_t*(const char*, int32_t, OptProfileSelector)>(
        Method::kCudaEngine_getProfileTensorValuesV2, tensor, profile, selector));
  }
  if (Has(Method::kCudaEngine_getProfileTensorValues)) {
    return copy(object_->Call<const int32_t*(const char*, int32_t, OptProfileSelector)>(
        Method::kCudaEngine_getProfileTensorValues, tensor, profile, selector));
  }
  // Before 10.0 the method takes the number of the binding.
  const auto binding = object_->Call<int32_t(const char*)>(Method::kCudaEngine_getBindingIndex, tensor);
  if (binding < 0) return {};
  return copy(object_->Call<const int32_t*(int32_t, int32_t, OptProfileSelector)>(
      Method::kCudaEngine_getProfileShapeValues, profile, binding, selector));
}

ExecutionContext CudaEngine::CreateExecutionContext(ExecutionContextAllocationStrategy strategy) const {
  using Strategy = ExecutionContextAllocationStrategy;
  const LibraryObject& engine = *object_;
  return ExecutionContext(Make<ExecutionError>(
      library(), object_, Method::kIExecutionContext_delete, "could not create an execution context", [&]() -> void* {
        if (engine.table().release.major >= 10) {
          return engine.Call<void*(Strategy)>(Method::kCudaEngine_createExecutionContext, strategy);
        }
        if (strategy == Strategy::kSTATIC) return engine.Call<void*()>(Method::kCudaEngine_createExecutionContext);
        if (strategy == Strategy::kUSER_MANAGED) {
          return engine.Call<void*()>(Method::kCudaEngine_createExecutionContextWithoutDeviceMemory);
        }
        throw LibraryError(Cat(engine.library()->Describe(),
                               " cannot allocate an execution context's memory on a change of profile; TensorRT 10.0 "
                               "and later can"));
      }));
}

EngineInspector CudaEngine::CreateInspector() const {
  return EngineInspector(
      Make<ExecutionError>(library(), object_, Method::kIEngineInspector_delete, "could not create an engine inspector",
                           [&] { return object_->Call<void*()>(Method::kCudaEngine_createEngineInspector); }));
}

int64_t CudaEngine::DeviceMemorySize() const {
  if (Has(Method::kCudaEngine_getDeviceMemorySizeV2)) {
    return object_->Call<int64_t()>(Method::kCudaEngine_getDeviceMemorySizeV2);
  }
  return static_cast<int64_t>(object_->Call<size_t()>(Method::kCudaEngine_getDeviceMemorySize));
}

HardwareCompatibilityLevel CudaEngine::HardwareCompatibility() const {
  return object_->Call<HardwareCompatibilityLevel()>(Method::kCudaEngine_getHardwareCompatibilityLevel);
}

bool CudaEngine::IsRefittable() const { return object_->Call<bool()>(Method::kCudaEngine_isRefittable); }

Runtime Runtime::Create(std::shared_ptr<const Library> library) {
  return Runtime(Make<LibraryError>(library, nullptr, Method::kIRuntime_delete, "could not create a runtime",
                                    [&] { return library->CreateRuntimeObject(); }));
}

CudaEngine Runtime::Deserialize(std::string_view plan) const {
  const LibraryObject& runtime = *object_;
  return CudaEngine(Make<PlanError>(
      library(), object_, Method::kICudaEngine_delete, Cat("did not accept the plan of ", plan.size(), " bytes"), [&] {
        constexpr Method kMethod = Method::kRuntime_deserializeCudaEngine;
        const void* const data = plan.data();
        if (runtime.table().release.major >= 10) {
          return runtime.Call<void*(const void*, size_t)>(kMethod, data, plan.size());
        }
        void* const no_plugin_factory = nullptr;
        return runtime.Call<void*(const void*, size_t, void*)>(kMethod, data, plan.size(), no_plugin_factory);
      }));
}

void Runtime::SetEngineHostCodeAllowed(bool allowed) {
  object_->Call<void(bool)>(Method::kRuntime_setEngineHostCodeAllowed, allowed);
}

}  // namespace nacelle::tensorrt
