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
// Errors: set-up calls throw, and their messages end with TensorRT's own log. The calls of every inference return false
// on failure; keep a MessageScope around them to learn the reason. A method that the release lacks throws LibraryError,
// which names method and release; Has tells beforehand. Names that no tensor has return TensorRT's answer: an invalid
// shape, null, false.
//
// Strings: names are null-terminated and owned by the caller; returned ones belong to the object called.
//
//   Runtime runtime = Runtime::Create(Library::Open("libnvinfer.so.10"));
//   CudaEngine engine = runtime.Deserialize(plan);
//   ExecutionContext context = engine.CreateExecutionContext();
//   context.SetInputShape("x", {1, 3, 224, 224});
//   context.SetInputTensorAddress("x", x);
//   context.SetTensorAddress("y", y);
//   const MessageScope messages;
//   if (!context.Enqueue(stream)) throw ExecutionError(messages.Text());
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
#include "core/tensorrt/library_object.h"
#include "core/tensorrt/slot_table.h"

namespace nacelle::tensorrt {

// The common base of the handles. Streams and events are void*: a cudaStream_t or cudaEvent_t.
class Handle {
 public:
  const std::shared_ptr<const Library>& library() const { return object_->library(); }

  // True if the release has `method`, a method of this handle's class.
  bool Has(Method method) const { return object_->table().has(method); }

 protected:
  explicit Handle(std::shared_ptr<const LibraryObject> object) : object_(std::move(object)) {}
  Handle(Handle&&) = default;
  Handle& operator=(Handle&&) = default;
  ~Handle() = default;

  std::shared_ptr<const LibraryObject> object_;
};

// nvinfer1::IHostMemory: bytes that TensorRT allocated.
class HostMemory final : public Handle {
 public:
  // `object` is an IHostMemory.
  explicit HostMemory(std::shared_ptr<const LibraryObject> object) : Handle(std::move(object)) {}

  // Valid as long as this handle.
  std::string_view bytes() const;
};

// nvinfer1::IEngineInspector. For one thread at a time.
class EngineInspector final : public Handle {
 public:
  // Returns TensorRT's own description of the engine. The profiling verbosity that the plan was built with decides how
  // much it tells. Throws ExecutionError on failure.
  std::string EngineInformation(LayerInformationFormat format) const;

 private:
  friend class CudaEngine;
  using Handle::Handle;
};

// nvinfer1::IExecutionContext. For one thread at a time.
class ExecutionContext final : public Handle {
 public:
  // The calls of every inference: one indirect call each, no allocation, false on failure.

  // Sets the shape of an input. False if the optimization profile does not allow it or, before 10.0, if it does not
  // fit 32 bits.
  bool SetInputShape(const char* tensor, const Dims& shape) {
    if (hot_.set_input_shape64 != nullptr) {
      const Dims64 wire = ToWire<Dims64>(shape);
      return hot_.set_input_shape64(hot_.implementation, tensor, wire);
    }
    if (!FitsDims32(shape)) return false;
    const Dims32 wire = ToWire<Dims32>(shape);
    return hot_.set_input_shape32(hot_.implementation, tensor, wire);
  }

  // Returns the shape of an input or output for the input shapes set so far; -1 for an unknown dimension.
  Dims TensorShape(const char* tensor) const {
    if (hot_.tensor_shape64 != nullptr) return FromWire(hot_.tensor_shape64(hot_.implementation, tensor));
    return FromWire(hot_.tensor_shape32(hot_.implementation, tensor));
  }

  // Sets the address of an input or output: device memory, or host memory for tensors located there. The caller keeps
  // the memory alive until the work that was enqueued with it is done. Null is for tensors that have an output
  // allocator.
  bool SetTensorAddress(const char* tensor, void* data) {
    return hot_.set_tensor_address(hot_.implementation, tensor, data);
  }
  // Sets the address of an input that must not be written to.
  bool SetInputTensorAddress(const char* tensor, const void* data) {
    return hot_.set_input_tensor_address(hot_.implementation, tensor, data);
  }

  // Enqueues the work on `stream`. Input memory may be reused once the stream has passed it.
  bool Enqueue(void* stream) { return hot_.enqueue(hot_.implementation, stream); }

  // Chooses the optimization profile; `stream` orders it before later work. Set shapes and addresses again after it.
  bool SetOptimizationProfile(int32_t profile, void* stream);
  // Returns the optimization profile; -1 if none is chosen.
  int32_t OptimizationProfile() const;

  // Computes output shapes. Returns 0 if all are known, the number of inputs that lack a shape or values (with as many
  // of their names as fit in `missing`), or a negative number on failure.
  int32_t InferShapes(std::span<const char*> missing = {});

  // Returns the most bytes that an output can have with the optimization profile and the shapes set so far; -1 if
  // TensorRT does not know.
  int64_t MaxOutputBytes(const char* tensor) const;

  // Sets the allocator of an output; null removes it. The allocator must live as long as the context, or until another
  // one is set.
  bool SetOutputAllocator(const char* tensor, OutputAllocator* allocator);

  // Sets the scratch memory of a context made with kUSER_MANAGED: `size` bytes, at least
  // CudaEngine::DeviceMemorySize(), at a multiple of 256. The caller keeps it alive as long as work is under way.
  void SetDeviceMemory(void* memory, int64_t size);

  // Sets the profiler; null removes it. The profiler must live as long as the context, or until another one is set.
  void SetProfiler(Profiler* profiler);

  // Sets the ncclComm_t of a plan that spans several devices. 10.16 and later.
  bool SetCommunicator(void* communicator);

 private:
  friend class CudaEngine;

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

  explicit ExecutionContext(std::shared_ptr<const LibraryObject> object);
  static Hot Resolve(const LibraryObject& object);

  Hot hot_;
};

// nvinfer1::ICudaEngine: a deserialized plan. Any number of threads.
class CudaEngine final : public Handle {
 public:
  int32_t NumIoTensors() const;
  const char* IoTensorName(int32_t index) const;
  TensorIOMode IoMode(const char* tensor) const;
  DataType Type(const char* tensor) const;
  // Returns the shape of a tensor; -1 for a dynamic dimension.
  Dims Shape(const char* tensor) const;
  TensorLocation Location(const char* tensor) const;
  // True if shapes depend on the tensor's values, not only on its shape.
  bool IsShapeInferenceIo(const char* tensor) const;

  // Returns the input whose memory an output shares, or null. 10.15 and later.
  const char* AliasedInput(const char* output) const;

  int32_t NumProfiles() const;
  Dims ProfileShape(const char* tensor, int32_t profile, OptProfileSelector selector) const;
  // Returns the values that a profile gives for a shape-inference input; empty if it gives none.
  std::vector<int64_t> ProfileTensorValues(const char* tensor, int32_t profile, OptProfileSelector selector) const;

  // Creates a context. With kUSER_MANAGED the caller provides its memory (ExecutionContext::SetDeviceMemory).
  // kON_PROFILE_CHANGE needs 10.0 or later. Throws ExecutionError on failure.
  ExecutionContext CreateExecutionContext(
      ExecutionContextAllocationStrategy strategy = ExecutionContextAllocationStrategy::kSTATIC) const;
  // Creates an inspector. Throws ExecutionError on failure.
  EngineInspector CreateInspector() const;

  // Returns the bytes of scratch memory that a context needs.
  int64_t DeviceMemorySize() const;
  // Returns the hardware that the plan runs on beside its own. 8.6 and later.
  HardwareCompatibilityLevel HardwareCompatibility() const;
  bool IsRefittable() const;

 private:
  friend class Runtime;
  using Handle::Handle;

  size_t NumProfileValues(const char* tensor) const;
};

// nvinfer1::IRuntime, which deserializes engines. Any number of threads.
class Runtime final : public Handle {
 public:
  // Creates the runtime of a library. Throws LibraryError on failure.
  static Runtime Create(std::shared_ptr<const Library> library);

  // Deserializes a plan, which is not needed afterwards. A plan can run code: deserialize only plans that you trust.
  // Throws PlanError.
  CudaEngine Deserialize(std::string_view plan) const;

  // Allows plans that bring code for the host, as version-compatible ones do. 8.6 and later.
  void SetEngineHostCodeAllowed(bool allowed);

 private:
  using Handle::Handle;
};

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_HANDLES_H_
