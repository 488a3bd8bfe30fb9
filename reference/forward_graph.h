// forward of a TorchScript module as one graph.
#ifndef NACELLE_REFERENCE_FORWARD_GRAPH_H_
#define NACELLE_REFERENCE_FORWARD_GRAPH_H_

#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"

namespace nacelle::reference {

// A value that the module or one of its submodules owns, and that forward reads.
struct Attribute {
  std::string path;  // "layer.weight"
  // As a constant of a graph can be: on the CPU and without gradients. The memory is the module's own, if it is no
  // view there. False for `training`.
  c10::IValue value;
};

// forward with its hooks and all that it calls in one graph, which does not read the module: what it read there is an
// input.
//
//   inputs of graph:  self (unused), the input tensors, then one value for each of `attributes`
struct ForwardGraph {
  std::shared_ptr<torch::jit::Graph> graph;
  size_t inputs = 0;  // number of input tensors
  std::vector<Attribute> attributes;

  // The graph's input that stands for attributes[index].
  torch::jit::Value* value_of(size_t index) const { return graph->inputs()[1 + inputs + index]; }

  // A copy with a graph of its own. The attributes' values are shared.
  ForwardGraph Copy() const { return {graph->copy(), inputs, attributes}; }
};

// The graph of `module`, which is left as it is. forward takes `inputs` tensors; further parameters have their default
// values. What is in branches that no call takes is part of the graph too. Throws InputError for a module without
// forward, and one with other parameters.
ForwardGraph MakeForwardGraph(const torch::jit::Module& module, size_t inputs);

// Throws InputError if the graph leaves something out that forward does.
void CheckWhole(torch::jit::Graph& graph);

// Calls `visit` for each node of `block` and of the blocks inside it, outer nodes first. `visit` may destroy its node.
void ForEachNode(torch::jit::Block& block, const std::function<void(torch::jit::Node&)>& visit);

// The message for a module whose forward changes `what`: "the attribute \"count\"".
std::string StateMessage(const std::string& what);

// A module whose forward keeps state, for those who try several ways of building it: no other way mends that.
class StateError final : public InputError {
 public:
  explicit StateError(const std::string& what) : InputError(StateMessage(what)) {}
};

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_FORWARD_GRAPH_H_
