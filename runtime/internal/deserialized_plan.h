// Plans that a library has read: one for all engines of a process that have the same plan on the same device.
#ifndef NACELLE_RUNTIME_INTERNAL_DESERIALIZED_PLAN_H_
#define NACELLE_RUNTIME_INTERNAL_DESERIALIZED_PLAN_H_

#include <c10/core/Device.h>

#include <memory>
#include <string_view>

#include "core/tensorrt/handles.h"
#include "core/tensorrt/library.h"

namespace nacelle::runtime {

// An ICudaEngine and what it lives on. Constant; any thread.
class DeserializedPlan {
 public:
  // Reads `plan` (not needed afterwards) on `device`. Throws PlanError with the library's reason.
  DeserializedPlan(std::shared_ptr<const tensorrt::Library> library, c10::Device device, std::string_view plan);
  ~DeserializedPlan();
  DeserializedPlan(const DeserializedPlan&) = delete;
  DeserializedPlan& operator=(const DeserializedPlan&) = delete;

  // The same, but one that exists already where library, device and plan are the same. Plans are told apart by their
  // size and a hash of 64 bits. Not shared are plans with dynamic shapes before TensorRT 10, where a profile belongs to
  // one context: engines would take the profiles from each other. Any thread; threads that ask for one plan at once
  // wait for the first of them.
  static std::shared_ptr<const DeserializedPlan> Shared(std::shared_ptr<const tensorrt::Library> library,
                                                        c10::Device device, std::string_view plan);

  // Whether any number of execution contexts can have any of its profiles.
  bool AllowsManyContexts() const;

  const tensorrt::CudaEngine& engine() const { return *engine_; }
  const std::shared_ptr<const tensorrt::Library>& library() const { return library_; }

 private:
  const std::shared_ptr<const tensorrt::Library> library_;
  const c10::Device device_;
  std::unique_ptr<tensorrt::CudaEngine> engine_;  // keeps its IRuntime
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_DESERIALIZED_PLAN_H_
