#include "reference/archive.h"

#include <c10/util/Exception.h>
#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/serialization/export.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <optional>

#include "core/error.h"
#include "core/text.h"
#include "reference/forward_graph.h"
#include "reference/module_archive.h"
#include "reference/operators.h"
#include "reference/simplify.h"
#include "reference/state.h"

namespace nacelle::reference {

namespace jit = torch::jit;

namespace {

std::string Message(const std::exception& error) {
  const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
  return of_torch != nullptr ? of_torch->what_without_backtrace() : error.what();
}

// Makes constants of the attributes. A value that torch has no constants of becomes an attribute of `module`.
void InsertAttributes(ForwardGraph& forward, jit::Module& module) {
  jit::Graph& graph = *forward.graph;
  graph.inputs()[0]->setType(module.type());
  for (size_t i = 0; i < forward.attributes.size(); ++i) {
    const auto& [path, value] = forward.attributes[i];
    const jit::WithInsertPoint at_start(*graph.nodes().begin());
    std::optional<jit::Value*> inserted = jit::tryInsertConstant(graph, value);
    if (inserted.has_value()) {
      (*inserted)->setDebugName(Cat("self.", path));
    } else {
      std::string name = path;
      std::ranges::replace(name, '.', '_');
      while (module.hasattr(name)) name += '_';
      module.register_attribute(name, forward.value_of(i)->type(), value);
      inserted = graph.insertGetAttr(graph.inputs()[0], name);
    }
    forward.value_of(i)->replaceAllUsesWith(*inserted);
  }
  while (graph.inputs().size() > 1 + forward.inputs) graph.eraseInput(graph.inputs().size() - 1);
}

void CheckOperators(jit::Graph& graph, bool with_prim) {
  if (const std::string refused = FindRefusedOperator(graph, with_prim); !refused.empty()) {
    throw InputError(Cat("forward has the operator ", refused, "; compute what needs it outside of the engine"));
  }
}

// Checks the operators before torch's passes compute with constants, which would run them. Ignores branches that no
// call takes.
void CheckBeforeFolding(jit::Graph& graph) {
  std::shared_ptr<jit::Graph> copy = graph.copy();
  PruneBranches(copy);
  jit::EliminateDeadCode(copy);
  CheckOperators(*copy, /*with_prim=*/false);
}

// Throws InputError if a reader of the plan would refuse the archive: the module is at fault.
void CheckIsReadable(const std::string& archive) {
  try {
    CheckModuleArchive(std::make_shared<ArchiveBytes>(archive));
  } catch (const PlanError& error) {
    throw InputError(Cat("the module has something that a plan cannot hold: ", error.what()));
  }
}

std::string Serialize(const jit::Module& module) {
  std::string bytes;
  const auto write = [&bytes](const void* data, size_t size) {
    bytes.append(static_cast<const char*>(data), size);
    return size;
  };
  jit::ExportModule(module, std::function<size_t(const void*, size_t)>(write));
  return bytes;
}

}  // namespace

std::string MakeArchive(const jit::Module& module, size_t inputs) {
  try {
    ForwardGraph forward = MakeForwardGraph(module, inputs);
    CheckKeepsNoState(forward);
    RemoveProfilerMarks(*forward.graph);
    jit::EliminateDeadCode(forward.graph);  // not earlier: it would remove a write that no node reads
    jit::Module canonical(c10::QualifiedName("__torch__.ReferenceNetwork"));
    InsertAttributes(forward, canonical);
    CheckBeforeFolding(*forward.graph);
    Simplify(forward.graph);
    CheckWhole(*forward.graph);
    CheckOperators(*forward.graph, /*with_prim=*/true);
    ForEachNode(*forward.graph->block(), [](jit::Node& node) { node.setSourceRange(jit::SourceRange()); });
    auto& unit = *canonical._ivalue()->compilation_unit();
    const c10::QualifiedName name(*canonical.type()->name(), "forward");
    canonical.type()->addMethod(unit.create_function(name, forward.graph));
    std::string archive = Serialize(canonical);
    CheckIsReadable(archive);
    return archive;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw InputError(Cat("torch could not freeze the module: ", Message(error)));
  }
}

}  // namespace nacelle::reference
