#include "reference/simplify.h"

#include <torch/csrc/jit/passes/autocast.h>
#include <torch/csrc/jit/passes/common_subexpression_elimination.h>
#include <torch/csrc/jit/passes/constant_pooling.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/eliminate_no_ops.h>
#include <torch/csrc/jit/passes/inplace_check.h>
#include <torch/csrc/jit/passes/loop_unrolling.h>
#include <torch/csrc/jit/passes/lower_tuples.h>
#include <torch/csrc/jit/passes/peephole.h>
#include <torch/csrc/jit/passes/remove_mutation.h>

#include <string_view>
#include <vector>

#include "reference/forward_graph.h"

namespace nacelle::reference {

namespace jit = torch::jit;

namespace {

// Rounds end by themselves, since each makes the graph smaller or unrolls a loop. The limit is for passes that report a
// change of an unchanged graph.
constexpr int kMaxRounds = 32;

// Does one round; true if the graph may have changed. Ignores shapes in types: a trace has those of its own run, and
// other runs may have others.
bool Round(std::shared_ptr<jit::Graph>& graph) {
  jit::EliminateDeadCode(graph);
  bool changed = jit::EliminateCommonSubexpression(graph);
  changed |= jit::PeepholeOptimize(graph, /*disable_shape_peepholes=*/true);
  changed |= jit::ConstantPropagation(graph, /*ignore_custom_classes=*/true);
  jit::ConstantPooling(graph);
  if (jit::UnrollConstantLoops(graph)) {
    changed = true;
    jit::RemoveListMutation(graph);
    jit::PeepholeOptimize(graph, /*disable_shape_peepholes=*/true);
    jit::ConstantPropagation(graph, /*ignore_custom_classes=*/true);
  }
  changed |= jit::EliminateCommonSubexpression(graph);
  jit::CheckInplace(graph);
  changed |= jit::EliminateNoOps(graph);
  jit::LowerSimpleTuples(graph);
  return changed;
}

}  // namespace

void Simplify(std::shared_ptr<jit::Graph>& graph) {
  jit::Autocast(graph);
  for (int round = 0; round < kMaxRounds && Round(graph); ++round) continue;
  jit::EliminateDeadCode(graph);
}

void RemoveProfilerMarks(jit::Graph& graph) {
  bool removed = true;
  while (removed) {  // the end of a mark uses its beginning, so it goes first
    std::vector<jit::Node*> unused;
    ForEachNode(*graph.block(), [&](jit::Node& node) {
      const c10::Symbol kind = node.kind();
      if (kind.ns().toUnqualString() == std::string_view("profiler") &&
          std::string_view(kind.toUnqualString()).starts_with("_record_function_") && !node.hasUses()) {
        unused.push_back(&node);
      }
    });
    for (jit::Node* node : unused) node->destroy();
    removed = !unused.empty();
  }
}

void PruneBranches(std::shared_ptr<jit::Graph>& graph) {
  for (int round = 0; round < kMaxRounds; ++round) {
    const bool simpler = jit::PeepholeOptimize(graph, /*disable_shape_peepholes=*/true);
    if (!jit::ConstantPropagationImmutableTypes(graph) && !simpler) return;
  }
}

}  // namespace nacelle::reference
