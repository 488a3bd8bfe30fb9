// The operators that a plan's forward may have.
#ifndef NACELLE_REFERENCE_OPERATORS_H_
#define NACELLE_REFERENCE_OPERATORS_H_

#include <ATen/core/symbol.h>
#include <torch/csrc/jit/ir/ir.h>

#include <string>

namespace nacelle::reference {

// The reason that forward must not have the operator `name`, or "": operators that read or write files, change what the
// process has in common (the seed, threads, autograd's mode), wait for others, come from outside torch, or compute on
// numbers and texts in a way that a few bytes make endless. torch computes the latter while it reads a module.
std::string WhyOperatorIsRefused(c10::Symbol name);

// The first such operator of `graph`, with the reason: "aten::from_file, which reads or writes files"; "": none. Those
// that TorchScript itself has (prim) are left out without `with_prim`: a graph that is not inlined has others.
std::string FindRefusedOperator(torch::jit::Graph& graph, bool with_prim = true);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_OPERATORS_H_
