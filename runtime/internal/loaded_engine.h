// An engine that is set up: its library opened, its device chosen, its plan deserialized, its tensors known.
#ifndef NACELLE_RUNTIME_INTERNAL_LOADED_ENGINE_H_
#define NACELLE_RUNTIME_INTERNAL_LOADED_ENGINE_H_

#include <c10/core/Device.h>

#include <memory>
#include <string>
#include <vector>

#include "core/record/record.h"
#include "core/stored_bytes.h"
#include "core/tensorrt/handles.h"
#include "core/tensorrt/library.h"
#include "runtime/export.h"
#include "runtime/internal/context.h"
#include "runtime/internal/deserialized_plan.h"
#include "runtime/internal/lease_pool.h"
#include "runtime/settings.h"
#include "runtime/tensor_info.h"

namespace nacelle::runtime {

using ContextPool = LeasePool<Context>;

// Optimization profiles that allow the same shapes, and the contexts for them. They stand in for one another: in
// TensorRT 8.5, where a profile belongs to one context, that is what lets several calls of one plan run at once.
struct ProfileGroup {
  std::vector<int> profiles;
  std::unique_ptr<ContextPool> contexts;
};

// The plan's inputs, or its outputs, in the order in which a call takes or returns them if the record has no names.
std::vector<std::string> NamesWithoutRecord(const tensorrt::CudaEngine& engine, tensorrt::TensorIOMode mode);

// Constant once made, but for the contexts, which are safe to use from any number of threads.
class NACELLE_API LoadedEngine {
 public:
  // Finds a library for the plan and a device, and deserializes. Throws PlanError, DeviceError, LibraryError or
  // InputError that says what the plan, or a setting, wants and what is here. `plan` is the record's.
  static std::unique_ptr<LoadedEngine> FromRecord(const record::Record& record,
                                                  const std::shared_ptr<const StoredBytes>& plan,
                                                  const Settings& settings);

  LoadedEngine(const LoadedEngine&) = delete;
  LoadedEngine& operator=(const LoadedEngine&) = delete;
  ~LoadedEngine();

  const std::string& name() const { return name_; }
  // What its calls are called on a time line.
  const std::string& range_name() const { return range_name_; }
  at::Device device() const { return device_; }
  const Settings& settings() const { return settings_; }
  // Whether no setting asks for anything beside the run itself.
  bool runs_plainly() const { return runs_plainly_; }
  int profile_count() const { return profile_count_; }

  // In the order in which a call takes and returns them: the record's, or that of core/record/binding_order.h.
  const std::vector<TensorInfo>& inputs() const { return inputs_; }
  const std::vector<TensorInfo>& outputs() const { return outputs_; }

  const DeserializedPlan& plan() const { return *plans_.front(); }
  const tensorrt::CudaEngine& engine() const { return plans_.front()->engine(); }
  const tensorrt::Library& library() const { return *plans_.front()->library(); }
  std::string library_description() const { return library().Describe(); }

  // The groups that calls choose from; at least one.
  const std::vector<ProfileGroup>& groups() const { return groups_; }

  // Execution contexts that exist now.
  int context_count() const;

  // JSON of the engine inspector. Throws LibraryError where the release has none.
  std::string LayerInformation() const;

 private:
  LoadedEngine(const record::Record& record, const Settings& settings, at::Device device,
               std::vector<std::shared_ptr<const DeserializedPlan>> plans);
  void ReadTensors(const record::Record& record);
  void GroupProfiles();
  bool SameShapes(int profile, int other) const;
  std::unique_ptr<Context> MakeContext(const std::vector<int>& profiles, int index) const;

  const std::string name_;
  const std::string range_name_;
  const Settings settings_;
  const bool runs_plainly_;
  const at::Device device_;
  const std::vector<std::shared_ptr<const DeserializedPlan>> plans_;  // as many as the settings ask for
  int profile_count_ = 1;
  std::vector<TensorInfo> inputs_;
  std::vector<TensorInfo> outputs_;
  std::vector<ProfileGroup> groups_;
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_LOADED_ENGINE_H_
