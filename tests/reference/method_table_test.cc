// The virtual tables, for every known release.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "core/tensorrt/slot_table.h"
#include "reference/configs.h"
#include "reference/cuda_engine.h"
#include "reference/execution_context.h"
#include "reference/host_memory.h"
#include "reference/inspector.h"
#include "reference/interface_object.h"
#include "reference/runtime.h"

namespace nacelle::reference {
namespace {

using tensorrt::Method;
using tensorrt::SlotTable;

// The methods that the engine does not support. None of them returns a struct: the function in their slots could not
// write one. The complete destructor is not among what a caller of TensorRT can reach.
const std::set<Method>& KnownUnsupported() {
  static const std::set<Method> methods = {
      Method::kRuntime_destroy,
      Method::kCudaEngine_destroy,
      Method::kExecutionContext_destroy,
      Method::kHostMemory_destroy,
      Method::kEngineInspector_destroy,
      Method::kRuntimeConfig_destroy,
      Method::kSerializationConfig_destroy,
      Method::kRuntime_setPluginRegistryParent,
      Method::kRuntime_loadRuntime,
      Method::kCudaEngine_createRefitter,
      Method::kCudaEngine_getNbBindings,
      Method::kCudaEngine_getBindingIndex,
      Method::kCudaEngine_getBindingName,
      Method::kCudaEngine_bindingIsInput,
      Method::kCudaEngine_getBindingDataType,
      Method::kCudaEngine_getLocation,
      Method::kCudaEngine_getBindingBytesPerComponent,
      Method::kCudaEngine_getBindingComponentsPerElement,
      Method::kCudaEngine_getBindingFormat,
      Method::kCudaEngine_getBindingFormatDesc,
      Method::kCudaEngine_getBindingVectorizedDim,
      Method::kCudaEngine_getProfileShapeValues,
      Method::kCudaEngine_isShapeBinding,
      Method::kCudaEngine_isExecutionBinding,
      Method::kExecutionContext_execute,
      Method::kExecutionContext_enqueue,
      Method::kCudaEngine_isExecutionBinding,
      Method::kExecutionContext_enqueueV2,
      Method::kExecutionContext_setBindingDimensions,
      Method::kExecutionContext_setInputShapeBinding,
      Method::kExecutionContext_getShapeBinding,
      Method::kExecutionContext_setTensorDebugState,
      Method::kExecutionContext_setAllTensorsDebugState,
      Method::kExecutionContext_setUnfusedTensorsDebugState,
      Method::kExecutionContext_setCommunicator,
  };
  return methods;
}

template <typename T>
void ExpectCovered(const SlotTable& table) {
  const MethodTable methods(table, T::kInterface, T::Bindings(table));
  for (const Method method : methods.unsupported()) {
    EXPECT_TRUE(KnownUnsupported().contains(method))
        << table.release.ToString() << ": bind " << MethodName(method) << ", or list it as unsupported";
  }
  for (size_t slot = 0; slot < table.layout(T::kInterface).size(); ++slot) {
    EXPECT_NE(methods.get()[slot], nullptr) << table.release.ToString() << " " << slot;
  }
}

TEST(MethodTable, EveryMethodOfEveryReleaseIsBoundOrKnownToBeUnsupported) {
  for (const SlotTable& table : tensorrt::SlotTables()) {
    ExpectCovered<Runtime>(table);
    ExpectCovered<CudaEngine>(table);
    ExpectCovered<ExecutionContext>(table);
    ExpectCovered<HostMemory>(table);
    ExpectCovered<EngineInspector>(table);
    ExpectCovered<RuntimeConfig>(table);
    ExpectCovered<SerializationConfig>(table);
  }
}

template <typename T>
void ExpectBoundOnce(const SlotTable& table) {
  std::set<Method> seen;
  for (const Binding& binding : T::Bindings(table)) {
    EXPECT_TRUE(seen.insert(binding.method).second) << MethodName(binding.method);
  }
}

TEST(MethodTable, NothingIsBoundTwice) {
  for (const SlotTable& table : tensorrt::SlotTables()) {
    ExpectBoundOnce<Runtime>(table);
    ExpectBoundOnce<CudaEngine>(table);
    ExpectBoundOnce<ExecutionContext>(table);
    ExpectBoundOnce<EngineInspector>(table);
  }
}

}  // namespace
}  // namespace nacelle::reference
