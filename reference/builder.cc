#include "reference/builder.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "reference/archive.h"
#include "reference/dims.h"
#include "reference/forward_graph.h"
#include "reference/network.h"
#include "reference/probe.h"

namespace nacelle::reference {
namespace {

int CountProfiles(const std::vector<TensorSpec>& inputs) {
  size_t count = 1;
  for (const TensorSpec& input : inputs) count = std::max(count, input.profiles.size());
  return static_cast<int>(std::min<size_t>(count, kMaxProfiles + 1));
}

// Orders each set of values by the inputs' indices; an input without values has an empty list.
ValueSets ByIndex(const std::vector<TensorSpec>& inputs,
                  const std::vector<std::map<std::string, std::vector<int64_t>>>& values) {
  ValueSets sets;
  for (const auto& named : values) {
    std::vector<std::vector<int64_t>>& set = sets.emplace_back();
    for (const TensorSpec& input : inputs) {
      const auto it = named.find(input.name);
      set.push_back(it == named.end() ? std::vector<int64_t>() : it->second);
      if (set.back().empty()) continue;
      const bool whole = input.dtype == tensorrt::DataType::kINT32 || input.dtype == tensorrt::DataType::kINT64;
      const int64_t count = std::accumulate(input.shape.begin(), input.shape.end(), int64_t{1}, std::multiplies<>());
      if (whole && !input.dynamic() && static_cast<int64_t>(set.back().size()) == count) continue;
      throw InputError(Cat("input ", Quote(input.name), " has ", set.back().size(), " values to try; its shape is ",
                           ShapeText(input.shape), ", and values are for int32 and int64 of a fixed shape"));
    }
  }
  return sets;
}

// Runs `check` on values from the options; a broken rule of plans is then the caller's error.
template <typename Check>
void AsInputError(Check check) {
  try {
    check();
  } catch (const PlanError& error) {
    throw InputError(error.what());
  }
}

}  // namespace

std::string BuildReferencePlan(const torch::jit::Module& module, const BuildOptions& options) {
  AsInputError([&] { CheckInputs(options.inputs, CountProfiles(options.inputs)); });
  return BuildReferencePlan(MakeArchive(module, options.inputs.size()), options);
}

std::string BuildReferencePlan(std::string archive, const BuildOptions& options) {
  Plan plan;
  plan.name = options.name;
  plan.inputs = options.inputs;
  plan.profile_count = CountProfiles(options.inputs);
  AsInputError([&] { CheckInputs(plan.inputs, plan.profile_count); });
  plan.module = std::move(archive);
  const auto network = Network::Load(plan.module, plan.inputs.size(), Network::kAnyNumber);
  plan.outputs = ProbeOutputs(*network, plan.inputs, plan.profile_count, options.output_names, options.data_dependent,
                              ByIndex(plan.inputs, options.values));
  // An operator may write to a tensor that its schema calls a copy.
  if (network->StateChanged()) throw StateError("a tensor that the module owns");
  AsInputError([&] { CheckPlan(plan); });
  return WritePlan(plan);
}

}  // namespace nacelle::reference
