// IExecutionContext: the shapes and addresses of one caller, and its runs.
#ifndef NACELLE_REFERENCE_EXECUTION_CONTEXT_H_
#define NACELLE_REFERENCE_EXECUTION_CONTEXT_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "reference/dims.h"
#include "reference/interface_object.h"
#include "reference/loaded_plan.h"

namespace nacelle::reference {

// The scratch memory that an engine asks for. Nothing is kept there, but a caller that promises it and forgets gets the
// error that it would get from TensorRT.
inline constexpr int64_t kScratchBytes = 256;

// For one thread at a time, as with TensorRT; contexts of one engine may run at once. A method that fails tells the
// reporter why. Runs are synchronous: streams and events are accepted and ignored.
class ExecutionContext final : public InterfaceObject {
 public:
  // `engine` is the object that getEngine returns; it outlives the context. If `scratch_by_caller`, nothing runs before
  // setDeviceMemory.
  ExecutionContext(InterfaceObject* engine, std::shared_ptr<LoadedPlan> plan, const Reporter& reporter,
                   int32_t strategy, bool scratch_by_caller);
  ~ExecutionContext() override;

  // Shapes and profiles. Setting a shape again costs one comparison.
  template <typename D>
  bool SetInputShape(const char* name, const D* dims);
  template <typename D>
  D GetTensorShape(const char* name);
  template <typename D>
  D GetTensorStrides(const char* name);
  int32_t InferShapes(int32_t capacity, const char** names);
  int64_t GetMaxOutputSize(const char* name);
  bool AllInputDimensionsSpecified();
  bool SetOptimizationProfile(int32_t profile);
  bool SetOptimizationProfileAsync(int32_t profile, void* stream);
  int32_t GetOptimizationProfile();

  // Addresses.
  bool SetTensorAddress(const char* name, void* address);
  bool SetInputTensorAddress(const char* name, const void* address);
  bool SetOutputTensorAddress(const char* name, void* address);
  const void* GetTensorAddress(const char* name);
  void* GetOutputTensorAddress(const char* name);
  bool SetOutputAllocator(const char* name, void* allocator);
  void* GetOutputAllocator(const char* name);
  void SetDeviceMemory(void* memory);
  void SetDeviceMemoryV2(void* memory, int64_t bytes);
  int64_t UpdateDeviceMemorySizeForShapes();

  // Runs.
  bool EnqueueV3(void* stream);
  bool ExecuteV2(void* const* addresses);

  // Profiling.
  void SetProfiler(void* profiler);
  void* GetProfiler();
  void SetEnqueueEmitsProfile(bool emits);
  bool GetEnqueueEmitsProfile();
  bool ReportToProfiler();

  // Settings that are stored and returned, without effect.
  void* GetEngine();
  void SetName(const char* name);
  const char* GetName();
  void SetDebugSync(bool sync);
  bool GetDebugSync();
  bool SetInputConsumedEvent(void* event);
  void* GetInputConsumedEvent();
  bool SetTemporaryStorageAllocator(void* allocator);
  void* GetTemporaryStorageAllocator();
  void SetPersistentCacheLimit(uint64_t bytes);
  uint64_t GetPersistentCacheLimit();
  bool SetNvtxVerbosity(int32_t verbosity);
  int32_t GetNvtxVerbosity();
  void SetAuxStreams(void** streams, int32_t count);
  bool SetDebugListener(void* listener);
  void* GetDebugListener();
  bool GetDebugState(const char* name);
  bool GetUnfusedTensorsDebugState();
  void* GetRuntimeConfig();  // a new object, which the caller owns

  // Stands for the methods of 8.x that take the index of a binding and return a shape. Returns an invalid shape.
  Dims32 NoBindings();

  // Returns the current shape of `tensor`, with -1 for unknown extents. On failure tells the reporter why and returns
  // nullopt.
  std::optional<Shape> CurrentShape(const Tensor& tensor);

  static constexpr tensorrt::Interface kInterface = tensorrt::Interface::kExecutionContext;
  static std::vector<Binding> Bindings(const tensorrt::SlotTable& table);

 private:
  struct Input {
    Shape shape;  // as set; the plan's until then
    bool specified = false;
  };
  struct Output {
    void* address = nullptr;
    void* allocator = nullptr;
  };

  bool Refuse(const char* method, const std::string& message,
              tensorrt::ErrorCode code = tensorrt::ErrorCode::kINVALID_ARGUMENT);
  const Tensor* FindOrRefuse(const char* method, const char* name);
  const Tensor* FindOutput(const char* method, const char* name);
  template <typename Extents>
  bool SetShape(const char* method, const Tensor& tensor, const Extents& extents);
  bool CheckInputShape(const char* method, const Tensor& tensor, const Shape& shape);
  std::string MissingInput() const;
  std::optional<Shape> CurrentStrides(const Tensor& tensor);
  bool ChangeProfile(const char* method, int32_t profile);
  void ForgetShapes();
  std::vector<Shape> InputShapes() const;
  bool Resolve(const char* method);
  bool CheckReady(const char* method);
  bool Enqueue(const char* method, void* stream);
  std::string CheckOutput(size_t output) const;
  bool WritesToInput() const;
  bool Deliver(const char* method, size_t output, void* stream);
  void Report(float milliseconds);

  InterfaceObject* const engine_;
  const std::shared_ptr<LoadedPlan> plan_;
  Workspace workspace_;
  std::vector<Input> inputs_;
  std::vector<TensorView> views_;  // of the inputs: their shapes are those of inputs_
  std::vector<Output> outputs_;
  OutputShapes resolved_;  // for the inputs' current shapes; null if not computed yet
  int32_t profile_ = -1;

  const bool scratch_by_caller_;
  void* scratch_ = nullptr;
  int64_t scratch_bytes_ = 0;

  void* profiler_ = nullptr;
  bool emits_profile_ = true;
  std::optional<float> unreported_milliseconds_;

  const int32_t strategy_;
  std::string name_;
  bool debug_sync_ = false;
  void* input_consumed_ = nullptr;
  void* storage_allocator_ = nullptr;
  uint64_t cache_limit_ = 0;
  int32_t nvtx_verbosity_ = 0;
  void* debug_listener_ = nullptr;
};

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_EXECUTION_CONTEXT_H_
