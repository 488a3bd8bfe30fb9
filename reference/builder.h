// Plans for the reference engine from TorchScript modules.
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
  std::string name;                // of the engine
  std::vector<TensorSpec> inputs;  // in the order of forward; `profiles` for each one with a -1 in its shape
  // In the order that forward returns them; empty: output_0, output_1 …
  std::vector<std::string> output_names;
  // Names of outputs whose shape follows from values. Those that show themselves when the module is tried are found
  // without being named here.
  std::set<std::string> data_dependent;
  // What to try the module on where values of inputs decide about shapes, by the inputs' names; the usual ones first.
  // Inputs that are not named get zeros and ones.
  std::vector<std::map<std::string, std::vector<int64_t>>> values;
};

// The bytes of a plan for `module`, whose forward takes the inputs as tensors and returns a tensor, a tuple or a list
// of tensors. `module` is left as it is: a copy is put into eval mode and frozen, then tried at the minimum, optimum
// and maximum shapes of every profile, on made-up values, to learn the outputs' dtypes and shapes. The same module
// and options give the same bytes. Where there are `values`, it need not run at the minimum and the maximum: not all
// values go with all shapes.
//
// Throws InputError for options or modules that cannot become a plan, naming the tensor: a dtype that TensorRT lacks,
// an output that is no tensor, state that forward changes, the module's own error where it fails at a profile's
// shapes. Calls may run at once for different modules.
std::string BuildReferencePlan(const torch::jit::Module& module, const BuildOptions& options);

// The same from what MakeArchive made of a module (reference/archive.h), for as many inputs as `options` has.
// Throws PlanError for bytes that are none.
std::string BuildReferencePlan(std::string archive, const BuildOptions& options);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_BUILDER_H_
