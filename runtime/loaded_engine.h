// An engine that is set up: its library opened, its device chosen, its plan deserialized, its tensors known.
#ifndef NACELLE_RUNTIME_LOADED_ENGINE_H_
#define NACELLE_RUNTIME_LOADED_ENGINE_H_

#include <c10/core/Device.h>

#include <memory>
#include <string>
#include <vector>

#include "core/abi/record.h"
#include "core/tensorrt/handles.h"
#include "core/tensorrt/library.h"
#include "runtime/context_pool.h"
#include "runtime/export.h"
#include "runtime/tensor_info.h"

namespace nacelle::runtime {

// Constant once made, but for the pool, which is safe to use from any number of threads.
class NACELLE_API LoadedEngine {
 public:
  // Finds a library for the plan and a device, and deserializes. Throws PlanError, DeviceError or LibraryError that
  // says what the plan wants and what is here.
  static std::unique_ptr<LoadedEngine> FromRecord(const abi::Record& record);

  LoadedEngine(const LoadedEngine&) = delete;
  LoadedEngine& operator=(const LoadedEngine&) = delete;

  const std::string& name() const { return name_; }
  at::Device device() const { return device_; }
  int profile_count() const { return profile_count_; }

  // In the order in which a call takes and returns them: the record's, or that of core/abi/binding_order.h.
  const std::vector<TensorInfo>& inputs() const { return inputs_; }
  const std::vector<TensorInfo>& outputs() const { return outputs_; }

  const tensorrt::CudaEngine& engine() const { return engine_; }
  const tensorrt::Library& library() const { return *library_; }
  std::string library_description() const { return library_->Describe(); }

  ContextPool& pool() { return pool_; }

  // JSON of the engine inspector. Throws LibraryError where the release has none.
  std::string LayerInformation() const;

 private:
  LoadedEngine(const abi::Record& record, at::Device device, std::shared_ptr<const tensorrt::Library> library);
  void ReadTensors(const abi::Record& record);

  const std::string name_;
  const at::Device device_;
  const std::shared_ptr<const tensorrt::Library> library_;
  tensorrt::Runtime runtime_;
  tensorrt::CudaEngine engine_;
  int profile_count_ = 1;
  std::vector<TensorInfo> inputs_;
  std::vector<TensorInfo> outputs_;
  ContextPool pool_;
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_LOADED_ENGINE_H_
