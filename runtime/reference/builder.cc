#include "runtime/reference/builder.h"

#include <algorithm>
#include <memory>

#include "core/error.h"
#include "core/text.h"
#include "runtime/reference/archive.h"
#include "runtime/reference/network.h"
#include "runtime/reference/probe.h"

namespace nacelle::reference {
namespace {

int CountProfiles(const std::vector<TensorSpec>& inputs) {
  size_t most = 1;
  for (const TensorSpec& input : inputs) most = std::max(most, input.profiles.size());
  return static_cast<int>(std::min<size_t>(most, kMaxProfiles + 1));
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
  Plan plan;
  plan.name = options.name;
  plan.inputs = options.inputs;
  plan.profile_count = CountProfiles(options.inputs);
  AsInputError([&] { CheckInputs(plan.inputs, plan.profile_count); });
  plan.module = MakeArchive(module, plan.inputs.size());
  const auto network = Network::Load(plan.module, plan.inputs.size(), Network::kAnyNumber);
  plan.outputs = ProbeOutputs(*network, plan.inputs, plan.profile_count, options.output_names, options.data_dependent);
  AsInputError([&] { CheckPlan(plan); });
  return WritePlan(plan);
}

}  // namespace nacelle::reference
