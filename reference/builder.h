// Builds plans for the reference engine from TorchScript modules.
//
//   BuildOptions options;
//   options.inputs = {{"x", DataType::kFLOAT, {-1, 3}, {{{1, 3}, {4, 3}, {8, 3}}}}};
//   const std::string plan = BuildReferencePlan(module, options);
#ifndef NACELLE_REFERENCE_BUILDER_H_
#define NACELLE_REFERENCE_BUILDER_H_

#include <torch/csrc/jit/api/module.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "reference/plan.h"

namespace nacelle::reference {

struct BuildOptions {
  std::string name;                // the engine's
  std::vector<TensorSpec> inputs;  // in the order of forward; with `profiles` if the shape has a -1
  // In the order in which forward returns them; empty: output_0, output_1 …
  std::vector<std::string> output_names;
  // Names of outputs whose shape depends on values. The builder tries the module and finds most of them by itself.
  std::set<std::string> data_dependent;
  // Values of inputs, by name, to try the module on, if shapes depend on values; the usual ones first. Inputs that are
  // not named get zeros and ones.
  std::vector<std::map<std::string, std::vector<int64_t>>> values;
};

// Returns a plan for `module`, whose forward takes the inputs as tensors and returns a tensor, a tuple or a list of
// tensors. The same module and options give the same bytes. Does not change `module`: it freezes a copy in eval mode
// and runs it on made-up values at the minimum, optimum and maximum shapes of every profile, to learn the outputs'
// dtypes and shapes. With `values` the copy need not run at the minimum and the maximum, since not all values go with
// all shapes.
//
// Throws InputError, which names the tensor, for options or modules that cannot become a plan: a dtype that TensorRT
// lacks, an output that is no tensor, state that forward changes, a module that fails at a profile's shapes (with its
// own error). Calls may run at once for different modules.
std::string BuildReferencePlan(const torch::jit::Module& module, const BuildOptions& options);

// Returns a plan for an archive of MakeArchive (reference/archive.h) with as many inputs as `options` has. Throws
// PlanError for other bytes.
std::string BuildReferencePlan(std::string archive, const BuildOptions& options);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_BUILDER_H_
