#include "reference/cuda_engine.h"

#include <algorithm>
#include <utility>

#include "core/text.h"
#include "reference/configs.h"
#include "reference/execution_context.h"
#include "reference/host_memory.h"
#include "reference/inspector.h"

namespace nacelle::reference {

using tensorrt::ErrorCode;
using Strategy = tensorrt::ExecutionContextAllocationStrategy;

CudaEngine::CudaEngine(std::shared_ptr<LoadedPlan> plan, const Reporter& reporter)
    : InterfaceObject(MethodsOf<CudaEngine>(reporter.table()), reporter), plan_(std::move(plan)) {}

void CudaEngine::Refuse(const char* method, const std::string& message) {
  reporter().Fail(ErrorCode::kINVALID_ARGUMENT, Cat("ICudaEngine::", method, ": ", message));
}

const Tensor* CudaEngine::FindOrRefuse(const char* method, const char* name) {
  const Tensor* tensor = plan_->Find(name);
  if (tensor != nullptr) return tensor;
  Refuse(method, plan_->WhyNotFound(name));
  return nullptr;
}

// Tensors.

int32_t CudaEngine::GetNbIOTensors() { return static_cast<int32_t>(plan_->tensors().size()); }

const char* CudaEngine::GetIOTensorName(int32_t index) {
  if (index >= 0 && index < GetNbIOTensors()) return plan_->tensors()[static_cast<size_t>(index)].spec->name.c_str();
  Refuse("getIOTensorName", Cat("index ", index, "; wanted 0 to ", GetNbIOTensors() - 1));
  return nullptr;
}

template <typename D>
D CudaEngine::GetTensorShape(const char* name) {
  const Tensor* tensor = FindOrRefuse("getTensorShape", name);
  return tensor == nullptr ? D() : D::From(tensor->spec->shape);
}

int32_t CudaEngine::GetTensorDataType(const char* name) {
  const Tensor* tensor = FindOrRefuse("getTensorDataType", name);
  return static_cast<int32_t>(tensor == nullptr ? tensorrt::DataType::kFLOAT : tensor->dtype->type);
}

int32_t CudaEngine::GetTensorLocation(const char* name) {
  FindOrRefuse("getTensorLocation", name);
  return static_cast<int32_t>(tensorrt::TensorLocation::kDEVICE);
}

bool CudaEngine::IsShapeInferenceIO(const char* name) {
  FindOrRefuse("isShapeInferenceIO", name);
  return false;
}

// For an unknown name TensorRT returns kNONE without an error.
int32_t CudaEngine::GetTensorIOMode(const char* name) {
  const Tensor* tensor = plan_->Find(name);
  if (tensor == nullptr) return static_cast<int32_t>(tensorrt::TensorIOMode::kNONE);
  return static_cast<int32_t>(tensor->is_input ? tensorrt::TensorIOMode::kINPUT : tensorrt::TensorIOMode::kOUTPUT);
}

int32_t CudaEngine::GetTensorBytesPerComponent(const char* name) {
  const Tensor* tensor = FindOrRefuse("getTensorBytesPerComponent", name);
  return tensor == nullptr ? -1 : tensor->dtype->bytes;
}

int32_t CudaEngine::GetTensorBytesPerComponentV2(const char* name, int32_t /*profile*/) {
  return GetTensorBytesPerComponent(name);
}

int32_t CudaEngine::GetTensorComponentsPerElement(const char* name) {
  return FindOrRefuse("getTensorComponentsPerElement", name) == nullptr ? -1 : 1;
}

int32_t CudaEngine::GetTensorComponentsPerElementV2(const char* name, int32_t /*profile*/) {
  return GetTensorComponentsPerElement(name);
}

int32_t CudaEngine::GetTensorFormat(const char* name) {
  FindOrRefuse("getTensorFormat", name);
  return static_cast<int32_t>(tensorrt::TensorFormat::kLINEAR);
}

int32_t CudaEngine::GetTensorFormatV2(const char* name, int32_t /*profile*/) { return GetTensorFormat(name); }

const char* CudaEngine::GetTensorFormatDesc(const char* name) {
  const Tensor* tensor = FindOrRefuse("getTensorFormatDesc", name);
  return tensor == nullptr ? "" : tensor->dtype->format;
}

const char* CudaEngine::GetTensorFormatDescV2(const char* name, int32_t /*profile*/) {
  return GetTensorFormatDesc(name);
}

int32_t CudaEngine::GetTensorVectorizedDim(const char* name) {
  FindOrRefuse("getTensorVectorizedDim", name);
  return -1;
}

int32_t CudaEngine::GetTensorVectorizedDimV2(const char* name, int32_t /*profile*/) {
  return GetTensorVectorizedDim(name);
}

const char* CudaEngine::GetAliasedInputTensor(const char* name) {
  FindOrRefuse("getAliasedInputTensor", name);
  return nullptr;
}

bool CudaEngine::IsDebugTensor(const char* name) {
  FindOrRefuse("isDebugTensor", name);
  return false;
}

// Profiles.

int32_t CudaEngine::GetNbOptimizationProfiles() { return plan_->profile_count(); }

const Shape* CudaEngine::FindProfileShape(const char* method, const Tensor& tensor, int32_t profile, int32_t selector) {
  if (profile < 0 || profile >= plan_->profile_count()) {
    Refuse(method, Cat("profile ", profile, "; wanted 0 to ", plan_->profile_count() - 1));
    return nullptr;
  }
  if (selector < 0 || selector > 2) {
    Refuse(method, Cat("selector ", selector, "; wanted 0 (min), 1 (opt) or 2 (max)"));
    return nullptr;
  }
  if (!tensor.is_input) {
    Refuse(method, Cat(Quote(tensor.spec->name), " is an output; profiles hold shapes of inputs"));
    return nullptr;
  }
  if (!tensor.spec->dynamic()) return &tensor.spec->shape;
  const ShapeRange& range = tensor.spec->profiles[static_cast<size_t>(profile)];
  return selector == 0 ? &range.min : selector == 1 ? &range.opt : &range.max;
}

template <typename D>
D CudaEngine::GetProfileShape(const char* name, int32_t profile, int32_t selector) {
  const Tensor* tensor = FindOrRefuse("getProfileShape", name);
  if (tensor == nullptr) return D();
  const Shape* shape = FindProfileShape("getProfileShape", *tensor, profile, selector);
  return shape == nullptr ? D() : D::From(*shape);
}

// Returns null, as TensorRT does for a tensor that is no shape tensor; a reference engine has no shape tensors.
const void* CudaEngine::GetProfileTensorValues(const char* name, int32_t /*profile*/, int32_t /*selector*/) {
  FindOrRefuse("getProfileTensorValues", name);
  return nullptr;
}

// Objects made from the engine.

void* CudaEngine::CreateContext(int32_t strategy, bool scratch_by_caller) {
  return new ExecutionContext(this, plan_, reporter(), strategy, scratch_by_caller);
}

void* CudaEngine::CreateExecutionContext() { return CreateContext(static_cast<int32_t>(Strategy::kSTATIC), false); }

void* CudaEngine::CreateExecutionContextWithStrategy(int32_t strategy) {
  if (strategy >= 0 && strategy <= static_cast<int32_t>(Strategy::kUSER_MANAGED)) {
    return CreateContext(strategy, strategy == static_cast<int32_t>(Strategy::kUSER_MANAGED));
  }
  Refuse("createExecutionContext",
         Cat("strategy ", strategy, "; wanted 0 to ", static_cast<int32_t>(Strategy::kUSER_MANAGED)));
  return nullptr;
}

void* CudaEngine::CreateExecutionContextWithoutDeviceMemory() {
  return CreateContext(static_cast<int32_t>(Strategy::kUSER_MANAGED), true);
}

void* CudaEngine::CreateExecutionContextWithRuntimeConfig(void* config) {
  if (config == nullptr) {
    Refuse("createExecutionContext", "no runtime configuration");
    return nullptr;
  }
  return CreateExecutionContextWithStrategy(
      static_cast<RuntimeConfig*>(static_cast<InterfaceObject*>(config))->GetStrategy());
}

void* CudaEngine::CreateRuntimeConfig() { return new RuntimeConfig(reporter()); }

void* CudaEngine::CreateSerializationConfig() { return new SerializationConfig(reporter()); }

void* CudaEngine::CreateEngineInspector() { return new EngineInspector(plan_, reporter()); }

void* CudaEngine::Serialize() { return new HostMemory(plan_->bytes(), reporter()); }

void* CudaEngine::SerializeWithConfig(void* config) {
  if (config != nullptr) return Serialize();
  Refuse("serializeWithConfig", "no serialization configuration");
  return nullptr;
}

// The engine as a whole.

const char* CudaEngine::GetName() { return plan_->name().c_str(); }
int32_t CudaEngine::GetNbLayers() { return static_cast<int32_t>(plan_->network().layers().size()); }
int64_t CudaEngine::GetDeviceMemorySize() { return kScratchBytes; }

int64_t CudaEngine::GetDeviceMemorySizeForProfile(int32_t profile) {
  if (profile >= 0 && profile < plan_->profile_count()) return kScratchBytes;
  Refuse("getDeviceMemorySizeForProfile", Cat("profile ", profile, "; wanted 0 to ", plan_->profile_count() - 1));
  return 0;
}

int64_t CudaEngine::GetEngineStat(int32_t stat) {
  const bool total = stat == static_cast<int32_t>(tensorrt::EngineStat::kTOTAL_WEIGHTS_SIZE);
  return total ? static_cast<int64_t>(plan_->module_bytes()) : -1;
}

int32_t CudaEngine::GetProfilingVerbosity() { return static_cast<int32_t>(tensorrt::ProfilingVerbosity::kDETAILED); }

bool CudaEngine::SetWeightStreamingBudget(int64_t budget) {
  if (budget == 0) return true;
  Refuse("setWeightStreamingBudget", Cat(budget, "; wanted 0, since a reference engine streams no weights"));
  return false;
}

bool CudaEngine::IsRefittable() { return false; }
int32_t CudaEngine::GetEngineCapability() { return static_cast<int32_t>(tensorrt::EngineCapability::kSTANDARD); }
bool CudaEngine::HasImplicitBatchDimension() { return false; }
uint32_t CudaEngine::GetTacticSources() { return 0; }
int32_t CudaEngine::GetHardwareCompatibilityLevel() { return 0; }
int32_t CudaEngine::GetNbAuxStreams() { return 0; }
int64_t CudaEngine::NoBytes() { return 0; }

int32_t CudaEngine::GetMaxBatchSize() { return 1; }

Dims32 CudaEngine::NoBindings() {
  Refuse("a method that takes the index of a binding", "use the one that takes a tensor's name");
  return {};
}

template Dims32 CudaEngine::GetTensorShape(const char*);
template Dims64 CudaEngine::GetTensorShape(const char*);
template Dims32 CudaEngine::GetProfileShape(const char*, int32_t, int32_t);
template Dims64 CudaEngine::GetProfileShape(const char*, int32_t, int32_t);

}  // namespace nacelle::reference
