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
  size_t max = 1;
  for (const TensorSpec& input : inputs) max = std::max(max, input.profiles.size());
  return static_cast<int>(std::min<size_t>(max, kMaxProfiles + 1));
}

// For each set of values those of each input, none where it has none.
ValueSets ByIndex(const std::vector<TensorSpec>& inputs,
                  const std::vector<std::map<std::string, std::vector<int64_t>>>& values) {
  ValueSets sets;
  for (const auto& named : values) {
    std::vector<std::vector<int64_t>>& set = sets.emplace_back();
    for (const TensorSpec& input : inputs) {
      const auto found = named.find(input.name);
      set.push_back(found == named.end() ? std::vector<int64_t>() : found->second);
      if (set.back().empty()) continue;
      const bool whole = input.dtype == tensorrt::DataType::kINT32 || input.dtype == tensorrt::DataType::kINT64;
      const int64_t count = std::accumulate(input.shape.begin(), input.shape.end(), int64_t{1}, std::multiplies<>());
      if (whole && !input.dynamic() && static_cast<int64_t>(set.back().size()) == count) continue;
      throw InputError(Cat("Input ", Quote(input.name), " has ", set.back().size(), " values to try; its shape is ",
                           ShapeText(input.shape), ", and values are for int32 and int64 of a fixed shape."));
    }
  }
  return sets;
}

// What breaks a rule of plans came from the options, which are the caller's to put right.
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
  // An operator may write to what its schema calls a copy.
  if (network->StateChanged()) throw StateError("a tensor that the module owns");
  AsInputError([&] { CheckPlan(plan); });
  return WritePlan(plan);
}

}  // namespace nacelle::reference
