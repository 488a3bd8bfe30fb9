// An engine that is set up: its library opened, its device chosen, its plan deserialized, its facts read.
#ifndef NACELLE_RUNTIME_INTERNAL_LOADED_ENGINE_H_
#define NACELLE_RUNTIME_INTERNAL_LOADED_ENGINE_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/record/record.h"
#include "core/stored_bytes.h"
#include "core/tensorrt/handles.h"
#include "runtime/export.h"
#include "runtime/internal/context.h"
#include "runtime/internal/deserialized_plan.h"
#include "runtime/internal/engine_facts.h"
#include "runtime/internal/lease_pool.h"
#include "runtime/settings.h"

namespace nacelle::runtime {

using ContextPool = LeasePool<Context>;

// Constant once made, except for the contexts, which any number of threads may use.
class NACELLE_API LoadedEngine {
 public:
  // Finds a library for the plan and a device, and deserializes the plan, which is the record's. Throws PlanError,
  // DeviceError, LibraryError or InputError that says what the plan, or a setting, wants and what is here.
  static std::unique_ptr<LoadedEngine> FromRecord(const record::Record& record,
                                                  const std::shared_ptr<const StoredBytes>& plan,
                                                  const Settings& settings);

  // Returns this engine under another record of the same plan, without deserializing again. Throws as FromRecord.
  std::unique_ptr<LoadedEngine> WithRecord(const record::Record& record) const;

  LoadedEngine(const LoadedEngine&) = delete;
  LoadedEngine& operator=(const LoadedEngine&) = delete;
  ~LoadedEngine();

  const EngineFacts& facts() const { return facts_; }
  const DeserializedPlan& plan() const { return *plans_.front(); }
  const tensorrt::CudaEngine& engine() const { return plans_.front()->engine(); }

  // Returns the plan whose contexts are asked for shapes of outputs: the engine's own. Before TensorRT 8.6 a plan with
  // dynamic shapes gives an optimization profile to one context, so another plan is deserialized there, for the caller
  // alone. Throws PlanError if that fails.
  std::shared_ptr<const DeserializedPlan> PlanForShapes() const;

  // The execution contexts for an optimization profile group of the facts. The profiles of a group stand in for one
  // another: in TensorRT 8.5, which gives a profile to one context only, several calls of one plan can run at once so.
  ContextPool& contexts(size_t group) const { return *contexts_[group]; }

  // Number of execution contexts that exist now.
  int context_count() const;

  // Returns the JSON of the engine inspector. Throws LibraryError if the release has none.
  std::string LayerInformation() const;

 private:
  using Plans = std::vector<std::shared_ptr<const DeserializedPlan>>;

  LoadedEngine(const record::Record& record, const Settings& settings, Plans plans);
  std::unique_ptr<Context> MakeContext(const std::vector<int>& profiles, int index) const;

  const Plans plans_;  // as many as the settings ask for
  const EngineFacts facts_;
  std::vector<std::unique_ptr<ContextPool>> contexts_;  // one for each optimization profile group
};

// Returns the error for callers of an engine that could not be set up because of `reason`.
NACELLE_API Error CannotRun(const std::string& name, const Error& reason);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_LOADED_ENGINE_H_
