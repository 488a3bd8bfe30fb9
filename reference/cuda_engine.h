// ICudaEngine: facts about a plan, and the making of contexts for it.
#ifndef NACELLE_REFERENCE_CUDA_ENGINE_H_
#define NACELLE_REFERENCE_CUDA_ENGINE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "reference/dims.h"
#include "reference/interface_object.h"
#include "reference/loaded_plan.h"

namespace nacelle::reference {

// Immutable but for its error recorder: any threads may call everything else at once. The caller owns each new object
// that it returns. A call that fails tells the reporter why, and returns TensorRT's answer for failure.
class CudaEngine final : public InterfaceObject {
 public:
  CudaEngine(std::shared_ptr<LoadedPlan> plan, const Reporter& reporter);

  const std::shared_ptr<LoadedPlan>& plan() const { return plan_; }

  // Tensors, by name.
  int32_t GetNbIOTensors();
  const char* GetIOTensorName(int32_t index);
  template <typename D>
  D GetTensorShape(const char* name);
  int32_t GetTensorDataType(const char* name);
  int32_t GetTensorLocation(const char* name);
  bool IsShapeInferenceIO(const char* name);
  int32_t GetTensorIOMode(const char* name);
  int32_t GetTensorBytesPerComponent(const char* name);
  int32_t GetTensorBytesPerComponentV2(const char* name, int32_t profile);
  int32_t GetTensorComponentsPerElement(const char* name);
  int32_t GetTensorComponentsPerElementV2(const char* name, int32_t profile);
  int32_t GetTensorFormat(const char* name);
  int32_t GetTensorFormatV2(const char* name, int32_t profile);
  const char* GetTensorFormatDesc(const char* name);
  const char* GetTensorFormatDescV2(const char* name, int32_t profile);
  int32_t GetTensorVectorizedDim(const char* name);
  int32_t GetTensorVectorizedDimV2(const char* name, int32_t profile);
  const char* GetAliasedInputTensor(const char* name);
  bool IsDebugTensor(const char* name);

  // Profiles.
  int32_t GetNbOptimizationProfiles();
  template <typename D>
  D GetProfileShape(const char* name, int32_t profile, int32_t selector);
  const void* GetProfileTensorValues(const char* name, int32_t profile, int32_t selector);

  // Objects made from the engine.
  void* CreateExecutionContext();
  void* CreateExecutionContextWithStrategy(int32_t strategy);
  void* CreateExecutionContextWithoutDeviceMemory();
  void* CreateExecutionContextWithRuntimeConfig(void* config);
  void* CreateRuntimeConfig();
  void* CreateSerializationConfig();
  void* CreateEngineInspector();
  void* Serialize();
  void* SerializeWithConfig(void* config);

  // The engine as a whole.
  const char* GetName();
  int32_t GetNbLayers();
  int64_t GetDeviceMemorySize();
  int64_t GetDeviceMemorySizeForProfile(int32_t profile);
  int64_t GetEngineStat(int32_t stat);
  int32_t GetProfilingVerbosity();
  bool SetWeightStreamingBudget(int64_t budget);
  // Features that a reference engine lacks: 0, false, or the first value of an enum.
  bool IsRefittable();
  int32_t GetEngineCapability();
  bool HasImplicitBatchDimension();
  uint32_t GetTacticSources();
  int32_t GetHardwareCompatibilityLevel();
  int32_t GetNbAuxStreams();
  int64_t NoBytes();

  // Stands for the methods of 8.x that take the index of a binding and return a shape. Returns an invalid shape.
  Dims32 NoBindings();
  int32_t GetMaxBatchSize();

  static constexpr tensorrt::Interface kInterface = tensorrt::Interface::kCudaEngine;
  static std::vector<Binding> Bindings(const tensorrt::SlotTable& table);

 private:
  void Refuse(const char* method, const std::string& message);
  const Tensor* FindOrRefuse(const char* method, const char* name);
  const Shape* FindProfileShape(const char* method, const Tensor& tensor, int32_t profile, int32_t selector);
  void* CreateContext(int32_t strategy, bool scratch_by_caller);

  const std::shared_ptr<LoadedPlan> plan_;
};

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_CUDA_ENGINE_H_
