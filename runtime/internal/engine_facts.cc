#include "runtime/internal/engine_facts.h"

#include <algorithm>

#include "core/error.h"
#include "core/record/binding_order.h"
#include "core/text.h"
#include "runtime/internal/aliases.h"
#include "runtime/internal/read_tensor_info.h"

namespace nacelle::runtime {
namespace {

using tensorrt::TensorIOMode;

// Returns the names in the order of a call: the record's, or the plan's order if the record has none.
std::vector<std::string> CallOrder(const char* kind, const std::vector<std::string>& recorded,
                                   const std::vector<std::string>& in_plan) {
  if (recorded.empty()) return in_plan;
  if (!std::ranges::is_permutation(recorded, in_plan)) {
    throw PlanError(Cat("its record lists the ", kind, "s ", Join(recorded, ", "), ", its plan has ",
                        Join(in_plan, ", "), "; the record and the plan do not belong together"));
  }
  return recorded;
}

std::vector<TensorInfo> ReadTensors(const tensorrt::CudaEngine& engine, const char* kind,
                                    const std::vector<std::string>& recorded, TensorIOMode mode) {
  std::vector<TensorInfo> tensors;
  for (const std::string& name : CallOrder(kind, recorded, NamesWithoutRecord(engine, mode))) {
    tensors.push_back(ReadTensorInfo(engine, name.c_str()));
  }
  return tensors;
}

bool AllowSameShapes(const std::vector<TensorInfo>& inputs, int profile, int other) {
  return std::ranges::all_of(inputs, [&](const TensorInfo& input) {
    return input.optimization_profiles[profile] == input.optimization_profiles[other];
  });
}

// Groups the optimization profiles that the settings allow.
std::vector<std::vector<int>> GroupOptimizationProfiles(const EngineFacts& facts) {
  const std::optional<int> set = facts.settings.optimization_profile;
  if (set && (*set < 0 || *set >= facts.optimization_profile_count)) {
    throw InputError(Cat("its setting optimization_profile is ", *set, ", and its plan has ",
                         facts.optimization_profile_count, "; wanted one of 0 to ",
                         facts.optimization_profile_count - 1));
  }
  std::vector<std::vector<int>> groups;
  for (int profile = 0; profile < facts.optimization_profile_count; ++profile) {
    if (set && profile != *set) continue;
    const auto same = [&](const std::vector<int>& group) {
      return AllowSameShapes(facts.inputs, profile, group.front());
    };
    const auto group = std::ranges::find_if(groups, same);
    if (group == groups.end()) {
      groups.push_back({profile});
    } else {
      group->push_back(profile);
    }
  }
  return groups;
}

}  // namespace

std::vector<std::string> NamesWithoutRecord(const tensorrt::CudaEngine& engine, TensorIOMode mode) {
  std::vector<std::string> names;
  for (int i = 0; i < engine.NumIoTensors(); ++i) {
    const char* name = engine.IoTensorName(i);
    if (name != nullptr && engine.IoMode(name) == mode) names.emplace_back(name);
  }
  std::vector<std::string> ordered;
  for (const size_t index : record::OrderByNumber(names)) ordered.push_back(names[index]);
  return ordered;
}

EngineFacts ReadEngineFacts(const record::Record& record, const Settings& settings, const DeserializedPlan& plan) {
  const tensorrt::CudaEngine& engine = plan.engine();
  EngineFacts facts{.name = record.name,
                    .range_name = Cat("execute_engine ", record.name),
                    .settings = settings,
                    .runs_plainly = !settings.move_inputs && !settings.convert_inputs && !settings.nvtx,
                    .device = plan.device(),
                    .library = plan.library(),
                    .inputs = ReadTensors(engine, "input", record.input_names, TensorIOMode::kINPUT),
                    .outputs = ReadTensors(engine, "output", record.output_names, TensorIOMode::kOUTPUT),
                    .optimization_profile_count = std::max(engine.NumProfiles(), 1),
                    .optimization_profile_groups = {}};
  ReadAliases(engine, record, facts.device, facts.inputs, facts.outputs);
  facts.optimization_profile_groups = GroupOptimizationProfiles(facts);
  return facts;
}

}  // namespace nacelle::runtime
