// Typed handles to TensorRT's runtime objects.
//
// Ownership: a handle is the only owner of its object and is moved, not copied; a moved-from handle may only be
// destroyed or assigned to. An object is deleted when its handle is gone and nothing made from it is left, so handles
// may be destroyed in any order; the library stays open longer than all of them.
//
// Threads: Runtime and CudaEngine may be used by several threads at once (what TensorRT does not promise to allow is
// serialized inside). An ExecutionContext, an EngineInspector and what points to their results are for one thread at a
// time; contexts of one engine may run at once.
//
// Errors: set-up calls throw, and their messages end in what TensorRT logged meanwhile. Calls that a caller makes for
// every inference return false for failure; keep a MessageScope around them to learn the reason. A method that the
// release lacks throws LibraryError, which names method and release; Has tells beforehand. Names that no tensor has
// give what TensorRT gives: an invalid shape, null, false.
//
// Strings: names are null-terminated and given by the caller; those that come back belong to the object called.
#ifndef NACELLE_CORE_TENSORRT_HANDLES_H_
#define NACELLE_CORE_TENSORRT_HANDLES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/tensorrt/callbacks.h"
#include "core/tensorrt/dims.h"
#include "core/tensorrt/library.h"
#include "core/tensorrt/object.h"
#include "core/tensorrt/slot_table.h"

namespace nacelle::tensorrt {

// What all handles have. Streams and events are void*: a cudaStream_t or cudaEvent_t, whatever made it.
class Handle {
 public:
  const std::shared_ptr<const Library>& library() const { return object_->library(); }

  // Whether the release has a method of this handle's class.
  bool Has(Method method) const { return object_->table().has(method); }

 protected:
  explicit Handle(std::shared_ptr<const Object> object) : object_(std::move(object)) {}
  Handle(Handle&&) = default;
  Handle& operator=(Handle&&) = default;
  ~Handle() = default;

  std::shared_ptr<const Object> object_;
};

// nvinfer1::IHostMemory: bytes that TensorRT allocated.
class HostMemory final : public Handle {
 public:
  // `object` is an IHostMemory.
  explicit HostMemory(std::shared_ptr<const Object> object) : Handle(std::move(object)) {}

  // Valid as long as this handle.
  std::string_view bytes() const;
};

class ExecutionContext;

// nvinfer1::IEngineInspector. For one thread at a time.
class EngineInspector final : public Handle {
 public:
  // Texts as TensorRT formats them; ExecutionError on failure. How much they tell depends on the profiling verbosity
  // that the plan was built with.
  std::string EngineInformation(LayerInformationFormat format) const;
  std::string LayerInformation(int32_t layer, LayerInformationFormat format) const;

  // With a context, shapes are those of the context. The context stays alive until another one, or null, is set, or
  // this inspector goes.
  bool SetExecutionContext(const ExecutionContext* context);

 private:
  friend class CudaEngine;
  using Handle::Handle;

  std::shared_ptr<const Object> context_;
};

// nvinfer1::IExecutionContext. For one thread at a time.
class ExecutionContext final : public Handle {
 public:
  // --- Every inference: one indirect call each, no allocation, false on failure -------------------------------------

  // The shape of an input. False where it does not fit the profile, or, before 10.0, does not fit 32 bits.
  bool SetInputShape(const char* tensor, const Dims& shape) {
    if (hot_.set_input_shape64 != nullptr) {
      const Dims64 wire = ToWire<Dims64>(shape);
      return hot_.set_input_shape64(hot_.implementation, tensor, wire);
    }
    if (!FitsDims32(shape)) return false;
    const Dims32 wire = ToWire<Dims32>(shape);
    return hot_.set_input_shape32(hot_.implementation, tensor, wire);
  }

  // The shape of an input or output for the input shapes set so far; -1 where it is not known.
  Dims TensorShape(const char* tensor) const {
    if (hot_.tensor_shape64 != nullptr) return FromWire(hot_.tensor_shape64(hot_.implementation, tensor));
    return FromWire(hot_.tensor_shape32(hot_.implementation, tensor));
  }

  // Where an input or output is: device memory, or host memory for tensors located there; alive until the work that
  // was enqueued with it is done. Null is for tensors that have an output allocator.
  bool SetTensorAddress(const char* tensor, void* data) {
    return hot_.set_tensor_address(hot_.implementation, tensor, data);
  }
  // The same for an input that may not be written to.
  bool SetInputTensorAddress(const char* tensor, const void* data) {
    return hot_.set_input_tensor_address(hot_.implementation, tensor, data);
  }

  // Enqueues the work on `stream`. Input memory may be reused when the stream has passed it.
  bool Enqueue(void* stream) { return hot_.enqueue(hot_.implementation, stream); }

  // --- Shapes and profiles
  // --------------------------------------------------------------------------------------------

  // Chooses the optimization profile; `stream` orders it before later work. Shapes and addresses are to be set again.
  bool SetOptimizationProfile(int32_t profile, void* stream);
  // -1 where none is chosen.
  int32_t OptimizationProfile() const;

  bool AllInputDimensionsSpecified() const;

  // Computes output shapes. 0: all known; positive: that many inputs lack a shape or values, and as many names as fit
  // are in `missing`; negative: failure.
  int32_t InferShapes(std::span<const char*> missing = {});

  Dims TensorStrides(const char* tensor) const;

  // --- Outputs
  // --------------------------------------------------------------------------------------------------------

  // Null removes it. The allocator stays alive as long as the context, or until another one is set.
  bool SetOutputAllocator(const char* tensor, OutputAllocator* allocator);
  // An upper bound in bytes for the input shapes set so far; -1 on failure.
  int64_t MaxOutputSize(const char* tensor) const;
  void* OutputTensorAddress(const char* tensor) const;

  // --- Memory, streams, observation
  // -----------------------------------------------------------------------------------

  // Scratch memory for a context made with kUSER_MANAGED: `size` bytes, at least CudaEngine::DeviceMemorySize(), at a
  // multiple of 256. The caller keeps it alive as long as work is under way.
  void SetDeviceMemory(void* memory, int64_t size);

  // Streams for work that runs beside the main stream. 8.6 and later.
  void SetAuxStreams(std::span<void*> streams);

  // Signalled when inputs may be overwritten; null: none.
  bool SetInputConsumedEvent(void* event);

  // Null removes it. The profiler stays alive as long as the context, or until another one is set.
  void SetProfiler(Profiler* profiler);
  // Whether enqueue itself reports to the profiler (it then waits for the device); true at the start.
  void SetEnqueueEmitsProfile(bool emits);
  // Reports the last enqueue, which is to be done.
  bool ReportToProfiler() const;

  // Null removes it. The recorder stays alive as long as the context, or until another one is set.
  void SetErrorRecorder(ErrorRecorder* recorder);

  bool SetNvtxVerbosity(ProfilingVerbosity verbosity);
  void SetName(const char* name);
  const char* Name() const;

  // For plans that span several devices: an ncclComm_t. 10.16 and later.
  bool SetCommunicator(void* communicator);

 private:
  friend class CudaEngine;
  friend class EngineInspector;

  // Functions of the calls that every inference makes, looked up once.
  struct Hot {
    void* implementation;
    bool (*set_input_shape32)(void*, const char*, const Dims32&);  // one of the two is null
    bool (*set_input_shape64)(void*, const char*, const Dims64&);
    Dims32 (*tensor_shape32)(void*, const char*);  // one of the two is null
    Dims64 (*tensor_shape64)(void*, const char*);
    bool (*set_tensor_address)(void*, const char*, void*);
    bool (*set_input_tensor_address)(void*, const char*, const void*);
    bool (*enqueue)(void*, void*);
  };

  explicit ExecutionContext(std::shared_ptr<const Object> object);
  static Hot Resolve(const Object& object);

  Hot hot_;
};

// nvinfer1::ICudaEngine: a deserialized plan. Any number of threads.
class CudaEngine final : public Handle {
 public:
  const char* Name() const;
  int32_t NumLayers() const;

  // --- Inputs and outputs
  // ---------------------------------------------------------------------------------------------

  int32_t NumIoTensors() const;
  const char* IoTensorName(int32_t index) const;
  TensorIOMode IoMode(const char* tensor) const;
  DataType Type(const char* tensor) const;
  // -1 where an extent is dynamic.
  Dims Shape(const char* tensor) const;
  TensorLocation Location(const char* tensor) const;
  // Whether the tensor's values, not only its shape, decide about shapes.
  bool IsShapeInferenceIo(const char* tensor) const;

  // The layout in memory under a profile. Releases before 8.6.1 have one answer for all profiles.
  TensorFormat Format(const char* tensor, int32_t profile = 0) const;
  const char* FormatDescription(const char* tensor, int32_t profile = 0) const;
  // -1 where the layout is not vectorized.
  int32_t VectorizedDim(const char* tensor, int32_t profile = 0) const;
  int32_t BytesPerComponent(const char* tensor, int32_t profile = 0) const;
  int32_t ComponentsPerElement(const char* tensor, int32_t profile = 0) const;

  // The input whose memory an output shares, or null. 10.15 and later.
  const char* AliasedInput(const char* output) const;

  // --- Profiles
  // -------------------------------------------------------------------------------------------------------

  int32_t NumProfiles() const;
  Dims ProfileShape(const char* tensor, int32_t profile, OptProfileSelector selector) const;
  // The values that a profile gives for a shape-inference input; empty where it gives none.
  std::vector<int64_t> ProfileTensorValues(const char* tensor, int32_t profile, OptProfileSelector selector) const;

  // --- What is made from it; these throw ExecutionError on failure
  // ----------------------------------------------------

  // With kUSER_MANAGED the caller gives the memory (ExecutionContext::SetDeviceMemory). kON_PROFILE_CHANGE: 10.0 and
  // later.
  ExecutionContext CreateExecutionContext(
      ExecutionContextAllocationStrategy strategy = ExecutionContextAllocationStrategy::kSTATIC) const;
  EngineInspector CreateInspector() const;
  HostMemory Serialize() const;

  // --- Facts
  // ----------------------------------------------------------------------------------------------------------

  // Bytes of scratch memory that a context needs.
  int64_t DeviceMemorySize() const;
  // 8.6 and later.
  HardwareCompatibilityLevel HardwareCompatibility() const;
  // 8.6 and later.
  int32_t NumAuxStreams() const;
  EngineCapability Capability() const;
  ProfilingVerbosity Verbosity() const;
  bool IsRefittable() const;

  // Null removes it. The recorder stays alive as long as the engine, or until another one is set. Not while other
  // threads use the engine.
  void SetErrorRecorder(ErrorRecorder* recorder);

 private:
  friend class Runtime;
  using Handle::Handle;

  template <typename R>
  R WithProfile(Method one, Method with_profile, const char* tensor, int32_t profile) const;
  size_t NumProfileValues(const char* tensor) const;
};

// nvinfer1::IRuntime: what engines are deserialized with. Any number of threads.
class Runtime final : public Handle {
 public:
  // Throws LibraryError where the library gives none.
  static Runtime Create(std::shared_ptr<const Library> library);

  // Reads a plan; `plan` is not needed afterwards. Plans run code: give it only what you trust. Throws PlanError.
  CudaEngine Deserialize(std::string_view plan) const;

  // How many threads TensorRT may use; false where it does not accept the number.
  bool SetMaxThreads(int32_t threads);

  // Whether plans may bring code for the host, as version-compatible ones do. 8.6 and later.
  void SetEngineHostCodeAllowed(bool allowed);
  bool EngineHostCodeAllowed() const;

  // The DLA core that engines are deserialized for, and how many there are.
  void SetDlaCore(int32_t core);
  int32_t NumDlaCores() const;

  // Where temporary files go. 8.6 and later.
  void SetTemporaryDirectory(const char* path);

  // Null removes it. The recorder stays alive as long as the runtime, or until another one is set; engines made later
  // inherit it. Not while other threads use the runtime.
  void SetErrorRecorder(ErrorRecorder* recorder);

 private:
  using Handle::Handle;
};

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_HANDLES_H_
