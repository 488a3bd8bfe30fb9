// What a module returns, found by trying it.
#ifndef NACELLE_REFERENCE_PROBE_H_
#define NACELLE_REFERENCE_PROBE_H_

#include <set>
#include <string>
#include <vector>

#include "reference/network.h"
#include "reference/plan.h"

namespace nacelle::reference {

// Values of inputs, for each input all of them or none: one set for each run.
using ValueSets = std::vector<std::vector<std::vector<int64_t>>>;

// The outputs of `network` for `inputs` (checked: names, dtypes, `profile_count` profiles for each dynamic one). It is
// run at the minimum, optimum and maximum of every profile and twice in between; extents that differ are dynamic.
// Outputs whose shape differs between values of the inputs, and those that `data_dependent` names, are data-dependent.
//
// `values`: sets of values to run it on, by the inputs' indices. It has to run on the first at the optimum of the first
// profile; each of the others is tried at the minima, optima and maxima until it runs.
//
// `names`: of the outputs; empty: output_0, output_1 … Throws InputError, naming the output: a wrong number of names,
// a dtype that TensorRT lacks, a rank that is not always the same; and where the module fails, with its message.
std::vector<TensorSpec> ProbeOutputs(const Network& network, const std::vector<TensorSpec>& inputs, int profile_count,
                                     const std::vector<std::string>& names, const std::set<std::string>& data_dependent,
                                     const ValueSets& values);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_PROBE_H_
