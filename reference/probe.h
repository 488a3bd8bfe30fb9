// Finds the outputs of a module by running it.
#ifndef NACELLE_REFERENCE_PROBE_H_
#define NACELLE_REFERENCE_PROBE_H_

#include <set>
#include <string>
#include <vector>

#include "reference/network.h"
#include "reference/plan.h"

namespace nacelle::reference {

// Sets of values of the inputs, one set for each run. By input: all its values, or none.
using ValueSets = std::vector<std::vector<std::vector<int64_t>>>;

// Returns the outputs of `network` for `inputs`, which CheckInputs has accepted. It runs the network at the minimum,
// optimum and maximum of every profile and twice in between: extents that differ are dynamic. Outputs whose shape
// differs between values of the inputs, and those that `data_dependent` names, are data-dependent.
//
// `values` are sets of values to run it on. It must run on the first set at the optimum of the first profile; the
// others are tried at the minima, optima and maxima until they run.
//
// `names` are those of the outputs; empty: output_0, output_1 … Throws InputError, which names the output, for a wrong
// number of names, a dtype that TensorRT lacks, or a rank that varies; and, with the module's message, if it fails.
std::vector<TensorSpec> ProbeOutputs(const Network& network, const std::vector<TensorSpec>& inputs, int profile_count,
                                     const std::vector<std::string>& names, const std::set<std::string>& data_dependent,
                                     const ValueSets& values);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_PROBE_H_
