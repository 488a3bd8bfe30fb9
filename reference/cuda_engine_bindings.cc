// The functions of CudaEngine that implement the methods of ICudaEngine.
#include "reference/cuda_engine.h"

namespace nacelle::reference {
namespace {

using tensorrt::Method;

// The methods whose signature depends on the size of Dims.
template <typename D>
std::vector<Binding> ShapeBindings() {
  return {
      Bind<&CudaEngine::GetTensorShape<D>>(Method::kCudaEngine_getTensorShape),
      Bind<&CudaEngine::GetProfileShape<D>>(Method::kCudaEngine_getProfileShape),
  };
}

const std::vector<Binding>& CommonBindings() {
  using C = CudaEngine;
  static const std::vector<Binding> bindings = {
      Bind<&C::DeleteThis>(Method::kCudaEngine_delete),
      Bind<&C::GetPImpl>(Method::kCudaEngine_getPImpl),
      Bind<&C::SetErrorRecorder>(Method::kCudaEngine_setErrorRecorder),
      Bind<&C::GetErrorRecorder>(Method::kCudaEngine_getErrorRecorder),
      Bind<&C::GetNbIOTensors>(Method::kCudaEngine_getNbIOTensors),
      Bind<&C::GetIOTensorName>(Method::kCudaEngine_getIOTensorName),
      Bind<&C::GetTensorDataType>(Method::kCudaEngine_getTensorDataType),
      Bind<&C::GetTensorLocation>(Method::kCudaEngine_getTensorLocation),
      Bind<&C::IsShapeInferenceIO>(Method::kCudaEngine_isShapeInferenceIO),
      Bind<&C::GetTensorIOMode>(Method::kCudaEngine_getTensorIOMode),
      Bind<&C::GetTensorBytesPerComponent>(Method::kCudaEngine_getTensorBytesPerComponent),
      Bind<&C::GetTensorBytesPerComponentV2>(Method::kCudaEngine_getTensorBytesPerComponentV2),
      Bind<&C::GetTensorComponentsPerElement>(Method::kCudaEngine_getTensorComponentsPerElement),
      Bind<&C::GetTensorComponentsPerElementV2>(Method::kCudaEngine_getTensorComponentsPerElementV2),
      Bind<&C::GetTensorFormat>(Method::kCudaEngine_getTensorFormat),
      Bind<&C::GetTensorFormatV2>(Method::kCudaEngine_getTensorFormatV2),
      Bind<&C::GetTensorFormatDesc>(Method::kCudaEngine_getTensorFormatDesc),
      Bind<&C::GetTensorFormatDescV2>(Method::kCudaEngine_getTensorFormatDescV2),
      Bind<&C::GetTensorVectorizedDim>(Method::kCudaEngine_getTensorVectorizedDim),
      Bind<&C::GetTensorVectorizedDimV2>(Method::kCudaEngine_getTensorVectorizedDimV2),
      Bind<&C::GetAliasedInputTensor>(Method::kCudaEngine_getAliasedInputTensor),
      Bind<&C::IsDebugTensor>(Method::kCudaEngine_isDebugTensor),
      Bind<&C::GetNbOptimizationProfiles>(Method::kCudaEngine_getNbOptimizationProfiles),
      Bind<&C::GetProfileTensorValues>(Method::kCudaEngine_getProfileTensorValues),
      Bind<&C::GetProfileTensorValues>(Method::kCudaEngine_getProfileTensorValuesV2),
      Bind<&C::CreateExecutionContextWithoutDeviceMemory>(
          Method::kCudaEngine_createExecutionContextWithoutDeviceMemory),
      Bind<&C::CreateExecutionContextWithRuntimeConfig>(Method::kCudaEngine_createExecutionContextWithRuntimeConfig),
      Bind<&C::CreateRuntimeConfig>(Method::kCudaEngine_createRuntimeConfig),
      Bind<&C::CreateSerializationConfig>(Method::kCudaEngine_createSerializationConfig),
      Bind<&C::CreateEngineInspector>(Method::kCudaEngine_createEngineInspector),
      Bind<&C::Serialize>(Method::kCudaEngine_serialize),
      Bind<&C::SerializeWithConfig>(Method::kCudaEngine_serializeWithConfig),
      Bind<&C::GetName>(Method::kCudaEngine_getName),
      Bind<&C::GetNbLayers>(Method::kCudaEngine_getNbLayers),
      Bind<&C::GetDeviceMemorySize>(Method::kCudaEngine_getDeviceMemorySize),
      Bind<&C::GetDeviceMemorySize>(Method::kCudaEngine_getDeviceMemorySizeV2),
      Bind<&C::GetDeviceMemorySizeForProfile>(Method::kCudaEngine_getDeviceMemorySizeForProfile),
      Bind<&C::GetDeviceMemorySizeForProfile>(Method::kCudaEngine_getDeviceMemorySizeForProfileV2),
      Bind<&C::GetEngineStat>(Method::kCudaEngine_getEngineStat),
      Bind<&C::GetProfilingVerbosity>(Method::kCudaEngine_getProfilingVerbosity),
      Bind<&C::SetWeightStreamingBudget>(Method::kCudaEngine_setWeightStreamingBudget),
      Bind<&C::SetWeightStreamingBudget>(Method::kCudaEngine_setWeightStreamingBudgetV2),
      Bind<&C::IsRefittable>(Method::kCudaEngine_isRefittable),
      Bind<&C::GetEngineCapability>(Method::kCudaEngine_getEngineCapability),
      Bind<&C::HasImplicitBatchDimension>(Method::kCudaEngine_hasImplicitBatchDimension),
      Bind<&C::GetTacticSources>(Method::kCudaEngine_getTacticSources),
      Bind<&C::GetHardwareCompatibilityLevel>(Method::kCudaEngine_getHardwareCompatibilityLevel),
      Bind<&C::GetNbAuxStreams>(Method::kCudaEngine_getNbAuxStreams),
      Bind<&C::NoBytes>(Method::kCudaEngine_getStreamableWeightsSize),
      Bind<&C::NoBytes>(Method::kCudaEngine_getWeightStreamingBudget),
      Bind<&C::NoBytes>(Method::kCudaEngine_getWeightStreamingBudgetV2),
      Bind<&C::NoBytes>(Method::kCudaEngine_getMinimumWeightStreamingBudget),
      Bind<&C::NoBytes>(Method::kCudaEngine_getWeightStreamingAutomaticBudget),
      Bind<&C::NoBytes>(Method::kCudaEngine_getWeightStreamingScratchMemorySize),
      Bind<&C::NoBindings>(Method::kCudaEngine_getBindingDimensions),
      Bind<&C::NoBindings>(Method::kCudaEngine_getProfileDimensions),
      Bind<&C::GetMaxBatchSize>(Method::kCudaEngine_getMaxBatchSize),
  };
  return bindings;
}

}  // namespace

std::vector<Binding> CudaEngine::Bindings(const tensorrt::SlotTable& table) {
  std::vector<Binding> bindings = table.dims64 ? ShapeBindings<Dims64>() : ShapeBindings<Dims32>();
  bindings.insert(bindings.end(), CommonBindings().begin(), CommonBindings().end());
  // 10.0 added a parameter to createExecutionContext.
  bindings.push_back(
      table.release.major < 10
          ? Bind<&CudaEngine::CreateExecutionContext>(Method::kCudaEngine_createExecutionContext)
          : Bind<&CudaEngine::CreateExecutionContextWithStrategy>(Method::kCudaEngine_createExecutionContext));
  return bindings;
}

}  // namespace nacelle::reference
