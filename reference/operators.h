// Decides which operators a plan's forward may have.
#ifndef NACELLE_REFERENCE_OPERATORS_H_
#define NACELLE_REFERENCE_OPERATORS_H_

#include <ATen/core/symbol.h>
#include <torch/csrc/jit/ir/ir.h>

#include <string>

namespace nacelle::reference {

// Returns the reason why forward must not have the operator `name`; empty if it may. Refused are operators that read or
// write files, change state of the whole process (the seed, threads, autograd's mode), wait for other tasks, come from
// outside torch, or do work on numbers and texts without bounds (torch computes those while it reads a module).
std::string WhyOperatorIsRefused(c10::Symbol name);

// Returns the first refused operator of `graph`, with the reason: "aten::from_file, which reads or writes files"; empty
// if there is none. Without `with_prim` it skips TorchScript's own operators (prim): a graph that is not inlined has
// more of them.
std::string FindRefusedOperator(torch::jit::Graph& graph, bool with_prim = true);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_OPERATORS_H_
