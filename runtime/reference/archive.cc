#include "runtime/reference/archive.h"

#include <c10/core/Device.h>
#include <c10/util/Exception.h>
#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/freeze_module.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/serialization/export.h>

#include <exception>
#include <functional>
#include <memory>
#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace nacelle::reference {

namespace jit = torch::jit;

namespace {

std::string Message(const std::exception& error) {
  const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
  return of_torch != nullptr ? of_torch->what_without_backtrace() : error.what();
}

jit::Module Freeze(const jit::Module& module) {
  if (!module.find_method("forward").has_value())
    throw InputError("the module has no method forward; an engine runs that");
  try {
    jit::Module copy = module.clone();
    copy.to(c10::Device(c10::kCPU));
    copy.eval();
    return jit::freeze_module(copy);
  } catch (const std::exception& error) {
    throw InputError(Cat("torch could not freeze the module: ", Message(error)));
  }
}

void ForEachNode(jit::Block& block, const std::function<void(jit::Node&)>& visit) {
  for (jit::Node* node : block.nodes()) {
    visit(*node);
    for (jit::Block* inner : node->blocks()) ForEachNode(*inner, visit);
  }
}

// Leaves the module and `inputs` tensors as the graph's inputs; the parameters after them become constants.
void FitInputs(jit::Graph& graph, const c10::FunctionSchema& schema, size_t inputs) {
  const auto& arguments = schema.arguments();  // the module is the first
  if (arguments.size() < inputs + 1) {
    throw InputError(Cat("forward takes ", arguments.size() - 1, " inputs; ", inputs, " were described"));
  }
  for (size_t i = arguments.size(); i-- > 1;) {
    const c10::Argument& argument = arguments[i];
    jit::Value* const value = graph.inputs()[i];
    if (i <= inputs) {
      if (value->type()->isSubtypeOf(*c10::TensorType::get())) continue;
      throw InputError(Cat("parameter ", Quote(argument.name()), " of forward is ", argument.type()->repr_str(),
                           "; an engine's inputs are tensors"));
    }
    if (!argument.default_value().has_value()) {
      throw InputError(Cat("parameter ", Quote(argument.name()), " of forward has no default value; forward takes ",
                           arguments.size() - 1, " inputs, and ", inputs, " were described"));
    }
    const jit::WithInsertPoint at_start(*graph.nodes().begin());
    value->replaceAllUsesWith(graph.insertConstant(*argument.default_value()));
    graph.eraseInput(i);
  }
}

// What freezing could not make a constant goes along as an attribute of `to`.
void TakeAttributes(jit::Graph& graph, const jit::Module& from, jit::Module& to) {
  ForEachNode(*graph.block(), [&](jit::Node& node) {
    const bool of_module = !node.inputs().empty() && node.inputs()[0] == graph.inputs()[0];
    if (node.kind() == c10::prim::SetAttr) {
      throw InputError(Cat("forward changes the attribute ", Quote(node.s(c10::attr::name)),
                           "; an engine keeps nothing from call to call"));
    }
    if (node.kind() == c10::prim::CallMethod || node.kind() == c10::prim::CallFunction) {
      throw InputError(Cat("forward calls something that torch does not inline (", node.kind().toQualString(),
                           "); an engine needs the whole of it"));
    }
    if (node.kind() != c10::prim::GetAttr || !of_module) return;
    const std::string name = node.s(c10::attr::name);
    const c10::TypePtr type = node.output()->type();
    if (type->is_module()) {
      throw InputError(Cat("torch could not make the submodule ", Quote(name), " part of forward"));
    }
    if (!to.hasattr(name)) to.register_attribute(name, type, from.attr(name));
  });
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
  const jit::Module frozen = Freeze(module);
  const jit::Method forward = frozen.get_method("forward");
  const std::shared_ptr<jit::Graph> graph = forward.graph()->copy();
  jit::Inline(*graph);
  FitInputs(*graph, forward.function().getSchema(), inputs);
  jit::EliminateDeadCode(graph);
  jit::Module canonical(c10::QualifiedName("__torch__.ReferenceNetwork"));
  TakeAttributes(*graph, frozen, canonical);
  graph->inputs()[0]->setType(canonical.type());
  ForEachNode(*graph->block(), [](jit::Node& node) { node.setSourceRange(jit::SourceRange()); });
  auto& unit = *canonical._ivalue()->compilation_unit();
  canonical.type()->addMethod(unit.create_function(c10::QualifiedName(*canonical.type()->name(), "forward"), graph));
  return Serialize(canonical);
}

}  // namespace nacelle::reference
