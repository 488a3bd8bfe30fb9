// The unchanging description of an engine that is set up.
#ifndef NACELLE_RUNTIME_INTERNAL_ENGINE_FACTS_H_
#define NACELLE_RUNTIME_INTERNAL_ENGINE_FACTS_H_

#include <c10/core/Device.h>

#include <memory>
#include <string>
#include <vector>

#include "core/record/record.h"
#include "core/tensorrt/handles.h"
#include "core/tensorrt/library.h"
#include "runtime/internal/deserialized_plan.h"
#include "runtime/settings.h"
#include "runtime/tensor_info.h"

namespace nacelle::runtime {

// Constant once read. The checks of a call, execution contexts and their outputs refer to the facts of their engine,
// which outlive them; they know nothing else of the engine.
struct EngineFacts {
  std::string name;
  std::string range_name;  // marks the engine's calls on a time line
  Settings settings;
  bool runs_plainly = true;  // true if no setting asks for work beside the run itself
  at::Device device;
  std::shared_ptr<const tensorrt::Library> library;

  // In the order in which a call takes and returns them: the record's, or that of core/record/binding_order.h.
  std::vector<TensorInfo> inputs;
  std::vector<TensorInfo> outputs;

  int optimization_profile_count = 1;

  // The optimization profiles that calls choose from; those of one group allow the same shapes. At least one group.
  std::vector<std::vector<int>> optimization_profile_groups;
};

// Reads the facts of the engine that runs `plan` under `record` and `settings`. Throws PlanError, RecordError or
// InputError if these contradict the plan.
EngineFacts ReadEngineFacts(const record::Record& record, const Settings& settings, const DeserializedPlan& plan);

// Returns the plan's inputs, or its outputs, in the order in which a call takes or returns them if the record has no
// names.
std::vector<std::string> NamesWithoutRecord(const tensorrt::CudaEngine& engine, tensorrt::TensorIOMode mode);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_ENGINE_FACTS_H_
