// The functions of ExecutionContext that implement the methods of IExecutionContext.
#include "reference/execution_context.h"

namespace nacelle::reference {
namespace {

using tensorrt::Method;

// The methods whose signature depends on the size of Dims.
template <typename D>
std::vector<Binding> ShapeBindings() {
  return {
      Bind<&ExecutionContext::SetInputShape<D>>(Method::kExecutionContext_setInputShape),
      Bind<&ExecutionContext::GetTensorShape<D>>(Method::kExecutionContext_getTensorShape),
      Bind<&ExecutionContext::GetTensorStrides<D>>(Method::kExecutionContext_getTensorStrides),
  };
}

const std::vector<Binding>& CommonBindings() {
  using C = ExecutionContext;
  static const std::vector<Binding> bindings = {
      Bind<&C::DeleteThis>(Method::kExecutionContext_delete),
      Bind<&C::GetPImpl>(Method::kExecutionContext_getPImpl),
      Bind<&C::SetErrorRecorder>(Method::kExecutionContext_setErrorRecorder),
      Bind<&C::GetErrorRecorder>(Method::kExecutionContext_getErrorRecorder),
      Bind<&C::InferShapes>(Method::kExecutionContext_inferShapes),
      Bind<&C::GetMaxOutputSize>(Method::kExecutionContext_getMaxOutputSize),
      Bind<&C::AllInputDimensionsSpecified>(Method::kExecutionContext_allInputDimensionsSpecified),
      Bind<&C::AllInputDimensionsSpecified>(Method::kExecutionContext_allInputShapesSpecified),
      Bind<&C::SetOptimizationProfile>(Method::kExecutionContext_setOptimizationProfile),
      Bind<&C::SetOptimizationProfileAsync>(Method::kExecutionContext_setOptimizationProfileAsync),
      Bind<&C::GetOptimizationProfile>(Method::kExecutionContext_getOptimizationProfile),
      Bind<&C::SetTensorAddress>(Method::kExecutionContext_setTensorAddress),
      Bind<&C::SetInputTensorAddress>(Method::kExecutionContext_setInputTensorAddress),
      Bind<&C::SetOutputTensorAddress>(Method::kExecutionContext_setOutputTensorAddress),
      Bind<&C::GetTensorAddress>(Method::kExecutionContext_getTensorAddress),
      Bind<&C::GetOutputTensorAddress>(Method::kExecutionContext_getOutputTensorAddress),
      Bind<&C::SetOutputAllocator>(Method::kExecutionContext_setOutputAllocator),
      Bind<&C::GetOutputAllocator>(Method::kExecutionContext_getOutputAllocator),
      Bind<&C::SetDeviceMemory>(Method::kExecutionContext_setDeviceMemory),
      Bind<&C::SetDeviceMemoryV2>(Method::kExecutionContext_setDeviceMemoryV2),
      Bind<&C::UpdateDeviceMemorySizeForShapes>(Method::kExecutionContext_updateDeviceMemorySizeForShapes),
      Bind<&C::EnqueueV3>(Method::kExecutionContext_enqueueV3),
      Bind<&C::ExecuteV2>(Method::kExecutionContext_executeV2),
      Bind<&C::SetProfiler>(Method::kExecutionContext_setProfiler),
      Bind<&C::GetProfiler>(Method::kExecutionContext_getProfiler),
      Bind<&C::SetEnqueueEmitsProfile>(Method::kExecutionContext_setEnqueueEmitsProfile),
      Bind<&C::GetEnqueueEmitsProfile>(Method::kExecutionContext_getEnqueueEmitsProfile),
      Bind<&C::ReportToProfiler>(Method::kExecutionContext_reportToProfiler),
      Bind<&C::GetEngine>(Method::kExecutionContext_getEngine),
      Bind<&C::SetName>(Method::kExecutionContext_setName),
      Bind<&C::GetName>(Method::kExecutionContext_getName),
      Bind<&C::SetDebugSync>(Method::kExecutionContext_setDebugSync),
      Bind<&C::GetDebugSync>(Method::kExecutionContext_getDebugSync),
      Bind<&C::SetInputConsumedEvent>(Method::kExecutionContext_setInputConsumedEvent),
      Bind<&C::GetInputConsumedEvent>(Method::kExecutionContext_getInputConsumedEvent),
      Bind<&C::SetTemporaryStorageAllocator>(Method::kExecutionContext_setTemporaryStorageAllocator),
      Bind<&C::GetTemporaryStorageAllocator>(Method::kExecutionContext_getTemporaryStorageAllocator),
      Bind<&C::SetPersistentCacheLimit>(Method::kExecutionContext_setPersistentCacheLimit),
      Bind<&C::GetPersistentCacheLimit>(Method::kExecutionContext_getPersistentCacheLimit),
      Bind<&C::SetNvtxVerbosity>(Method::kExecutionContext_setNvtxVerbosity),
      Bind<&C::GetNvtxVerbosity>(Method::kExecutionContext_getNvtxVerbosity),
      Bind<&C::SetAuxStreams>(Method::kExecutionContext_setAuxStreams),
      Bind<&C::SetDebugListener>(Method::kExecutionContext_setDebugListener),
      Bind<&C::GetDebugListener>(Method::kExecutionContext_getDebugListener),
      Bind<&C::GetDebugState>(Method::kExecutionContext_getDebugState),
      Bind<&C::GetUnfusedTensorsDebugState>(Method::kExecutionContext_getUnfusedTensorsDebugState),
      Bind<&C::GetRuntimeConfig>(Method::kExecutionContext_getRuntimeConfig),
      Bind<&C::NoBindings>(Method::kExecutionContext_getBindingDimensions),
      Bind<&C::NoBindings>(Method::kExecutionContext_getStrides),
  };
  return bindings;
}

}  // namespace

std::vector<Binding> ExecutionContext::Bindings(const tensorrt::SlotTable& table) {
  std::vector<Binding> bindings = table.dims64 ? ShapeBindings<Dims64>() : ShapeBindings<Dims32>();
  bindings.insert(bindings.end(), CommonBindings().begin(), CommonBindings().end());
  return bindings;
}

}  // namespace nacelle::reference
