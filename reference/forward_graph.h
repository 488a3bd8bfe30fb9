// The forward method of a TorchScript module as one graph.
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
  // The value in a form that a graph's constant can have: on the CPU and without gradients. It shares the module's
  // memory, unless it is a view there. False for `training`.
  c10::IValue value;
};

// forward, its hooks and every function that it calls, in one graph. The graph does not read the module: attributes are
// inputs.
//
//   inputs of graph:  self (unused), the input tensors, then one value for each of `attributes`
struct ForwardGraph {
  std::shared_ptr<torch::jit::Graph> graph;
  size_t inputs = 0;  // number of input tensors
  std::vector<Attribute> attributes;

  // Returns the graph's input for attributes[index].
  torch::jit::Value* value_of(size_t index) const { return graph->inputs()[1 + inputs + index]; }

  // Returns a copy with a graph of its own. The attributes' values are shared.
  ForwardGraph Copy() const { return {graph->copy(), inputs, attributes}; }
};

// Returns the graph of `module`, which it does not change. forward takes `inputs` tensors; its further parameters get
// their default values. The graph keeps branches that no call takes. Throws InputError for a module without forward, or
// with other parameters.
ForwardGraph MakeForwardGraph(const torch::jit::Module& module, size_t inputs);

// Throws InputError if the graph lacks a part of forward that torch could not inline.
void CheckWhole(torch::jit::Graph& graph);

// Calls `visit` for each node of `block` and of the blocks inside it, outer nodes first. `visit` may destroy its node.
void ForEachNode(torch::jit::Block& block, const std::function<void(torch::jit::Node&)>& visit);

// Returns the message for a module whose forward changes `state`: "the attribute \"count\"".
std::string StateMessage(const std::string& state);

// The error of a module whose forward keeps state. A caller that tries several ways of building can stop: no other way
// mends it.
class StateError final : public InputError {
 public:
  explicit StateError(const std::string& state) : InputError(StateMessage(state)) {}
};

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_FORWARD_GRAPH_H_
