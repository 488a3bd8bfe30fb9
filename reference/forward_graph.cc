#include "reference/forward_graph.h"

#include <ATen/core/class_type.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/passes/clear_profiling.h>
#include <torch/csrc/jit/passes/inline_fork_wait.h>
#include <torch/csrc/jit/passes/inliner.h>

#include <map>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace nacelle::reference {

namespace jit = torch::jit;

namespace {

using ObjectPtr = c10::intrusive_ptr<c10::ivalue::Object>;

// A graph that calls the forward hooks and pre-hooks of a module around its forward.
//
//   x ──▶ pre-hooks ──▶ forward ──▶ hooks ──▶ result
class HookedGraph {
 public:
  HookedGraph(const c10::ClassType& type, jit::Graph& forward) : type_(type), graph_(std::make_shared<jit::Graph>()) {
    for (const jit::Value* input : forward.inputs()) {
      inputs_.push_back(graph_->addInput()->copyMetadata(const_cast<jit::Value*>(input)));
    }
    for (jit::Function* hook : type.getForwardPreHooks()) CallPreHook(*hook);
    jit::Value* result = jit::insertGraph(*graph_, forward, inputs_).at(0);
    for (jit::Function* hook : type.getForwardHooks()) {
      jit::Value* const returned = Call(*hook, {inputs_[0], Arguments(), result});
      if (returned->type()->kind() != c10::TypeKind::NoneType) result = returned;
    }
    graph_->registerOutput(result);
  }

  std::shared_ptr<jit::Graph> graph() const { return graph_; }

 private:
  // Returns forward's arguments without the module, as a tuple.
  jit::Value* Arguments() {
    const at::ArrayRef<jit::Value*> arguments = inputs_;
    return graph_->insertNode(graph_->createTuple(arguments.slice(1)))->output();
  }

  jit::Value* Call(jit::Function& hook, const std::vector<jit::Value*>& arguments) {
    hook.ensure_defined();
    const auto& parameters = hook.getSchema().arguments();
    for (size_t i = 1; i < arguments.size(); ++i) {
      if (i < parameters.size() && arguments[i]->type()->isSubtypeOf(*parameters[i].type())) continue;
      throw InputError(Cat("hook ", Quote(hook.name()), " of forward takes ",
                           i < parameters.size() ? parameters[i].type()->repr_str() : "fewer arguments", "; wanted ",
                           arguments[i]->type()->repr_str()));
    }
    return jit::insertGraph(*graph_, *jit::toGraphFunction(hook).graph(), arguments).at(0);
  }

  // A pre-hook returns nothing, the new arguments, or the only new argument.
  void CallPreHook(jit::Function& hook) {
    jit::Value* const returned = Call(hook, {inputs_[0], Arguments()});
    if (returned->type()->kind() == c10::TypeKind::NoneType) return;
    std::vector<jit::Value*> arguments = {returned};
    if (returned->type()->kind() == c10::TypeKind::TupleType) {
      arguments = graph_->insertNode(graph_->createTupleUnpack(returned))->outputs().vec();
    }
    if (arguments.size() + 1 != inputs_.size()) {
      throw InputError(Cat("pre-hook ", Quote(hook.name()), " of forward returns ", arguments.size(),
                           " arguments; forward takes ", inputs_.size() - 1));
    }
    std::copy(arguments.begin(), arguments.end(), inputs_.begin() + 1);
  }

  const c10::ClassType& type_;
  std::shared_ptr<jit::Graph> graph_;
  std::vector<jit::Value*> inputs_;  // the module and forward's arguments
};

// Makes values of a module fit to be constants of a graph: without gradients, on the CPU, and without the memory around
// a view, which would be serialized with it. Otherwise they share the module's memory.
class ConstantValues {
 public:
  c10::IValue Of(const c10::IValue& value) {
    if (value.isTensor()) return Of(value.toTensor());
    if (value.isList() && !value.isIntList() && !value.isDoubleList() && !value.isBoolList()) {
      const c10::List<c10::IValue> list = value.toList();
      c10::impl::GenericList result(list.elementType());
      for (size_t i = 0; i < list.size(); ++i) result.push_back(Of(list.get(i)));
      return result;
    }
    if (value.isTuple()) {
      std::vector<c10::IValue> elements;
      for (const c10::IValue& element : value.toTupleRef().elements()) elements.push_back(Of(element));
      return c10::ivalue::Tuple::createNamed(std::move(elements), value.type()->cast<c10::TupleType>());
    }
    if (value.isGenericDict()) {
      const c10::impl::GenericDict dict = value.toGenericDict();
      c10::impl::GenericDict result(dict.keyType(), dict.valueType());
      for (const auto& entry : dict) result.insert(Of(entry.key()), Of(entry.value()));
      return result;
    }
    return value;
  }

 private:
  at::Tensor Of(const at::Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    const auto [place, added] = made_.try_emplace(tensor.unsafeGetTensorImpl());
    if (added) {
      const at::Tensor moved = tensor.detach().to(at::kCPU);
      place->second = IsView(moved) ? moved.clone() : moved;
    }
    return place->second;
  }

  static bool IsView(const at::Tensor& tensor) {
    if (tensor.layout() != at::kStrided || !tensor.has_storage()) return false;
    return !tensor.is_non_overlapping_and_dense() || tensor.storage().nbytes() != tensor.nbytes();
  }

  std::unordered_map<const c10::TensorImpl*, at::Tensor> made_;
};

std::shared_ptr<jit::Graph> WithHooks(const jit::Module& module) {
  const std::shared_ptr<jit::Graph> forward = module.get_method("forward").graph();
  if (module.type()->getForwardPreHooks().empty() && module.type()->getForwardHooks().empty()) return forward->copy();
  return HookedGraph(*module.type(), *forward).graph();
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

// Makes inputs of the attributes that a graph reads from a module.
class AttributeLifter {
 public:
  AttributeLifter(ForwardGraph& forward, ObjectPtr module) : forward_(forward) {
    owners_[forward.graph->inputs()[0]] = {std::move(module), ""};
  }

  // Repeats two steps until neither finds more: inlining a call brings new attributes, and a submodule's type is needed
  // to inline its calls.
  void Run() {
    do {
      changed_ = false;
      jit::Inline(*forward_.graph);
      ForEachNode(*forward_.graph->block(), [this](jit::Node& node) { Visit(node); });
    } while (changed_);
    // An assignment that no branch reaches does no harm, so assignments are not refused yet: their paths are kept for
    // the message.
    ForEachNode(*forward_.graph->block(), [this](jit::Node& node) {
      const auto owner = node.kind() == c10::prim::SetAttr ? owners_.find(node.inputs()[0]) : owners_.end();
      if (owner != owners_.end()) node.s_(c10::attr::name, Path(owner->second, node.s(c10::attr::name)));
    });
  }

 private:
  struct Owner {
    ObjectPtr object;
    std::string path;
  };

  static std::string Path(const Owner& owner, const std::string& name) {
    return owner.path.empty() ? name : Cat(owner.path, ".", name);
  }

  void Visit(jit::Node& node) {
    if (node.kind() != c10::prim::GetAttr) return;
    const auto owner = owners_.find(node.inputs()[0]);
    if (owner == owners_.end() || owners_.contains(node.output())) return;
    const std::string name = node.s(c10::attr::name);
    const std::string path = Path(owner->second, name);
    const ObjectPtr object = owner->second.object;
    const c10::IValue value = object->getAttr(name);
    if (value.isModule()) {
      node.output()->setType(value.type());  // an interface's methods are found by the module's own type
      owners_[node.output()] = {value.toObject(), path};
      changed_ = true;
      return;
    }
    node.output()->replaceAllUsesWith(Lift(object, name, path, value, node.output()->type()));
    node.destroy();
  }

  jit::Value* Lift(const ObjectPtr& object, const std::string& name, const std::string& path, const c10::IValue& value,
                   const c10::TypePtr& type) {
    const auto [place, added] = lifted_.try_emplace({object.get(), name}, nullptr);
    if (!added) return place->second;
    const bool training = name == "training" && value.isBool() && object->type()->is_module();
    forward_.attributes.push_back({path, training ? c10::IValue(false) : constants_.Of(value)});
    place->second = forward_.graph->addInput()->setType(type);
    return place->second;
  }

  ForwardGraph& forward_;
  ConstantValues constants_;
  std::unordered_map<const jit::Value*, Owner> owners_;  // the values that are modules
  std::map<std::pair<const c10::ivalue::Object*, std::string>, jit::Value*> lifted_;
  bool changed_ = false;
};

}  // namespace

void CheckWhole(jit::Graph& graph) {
  ForEachNode(*graph.block(), [](jit::Node& node) {
    if (node.kind() == c10::prim::CallMethod || node.kind() == c10::prim::CallFunction) {
      throw InputError(Cat("forward calls something that torch does not inline (", node.kind().toQualString(),
                           "); an engine needs the whole of it"));
    }
    if (node.kind() == c10::prim::fork) {
      throw InputError(
          "forward starts a task with torch.jit.fork, and no torch.jit.wait names it; call the function instead");
    }
    for (const jit::Value* output : node.outputs()) {
      if (!output->type()->is_module()) continue;
      const std::string name = node.kind() == c10::prim::GetAttr ? Cat(" ", Quote(node.s(c10::attr::name))) : "";
      throw InputError(Cat("torch could not make the submodule", name, " part of forward"));
    }
  });
}

void ForEachNode(jit::Block& block, const std::function<void(jit::Node&)>& visit) {
  for (auto place = block.nodes().begin(); place != block.nodes().end();) {
    jit::Node* const node = *place++;
    const std::vector<jit::Block*> blocks(node->blocks().begin(), node->blocks().end());
    visit(*node);
    for (jit::Block* inner : blocks) ForEachNode(*inner, visit);
  }
}

std::string StateMessage(const std::string& state) {
  return Cat("forward changes ", state,
             "; an engine keeps nothing from call to call: pass the state in as an input and return its new value as "
             "an output");
}

ForwardGraph MakeForwardGraph(const jit::Module& module, size_t inputs) {
  if (!module.find_method("forward").has_value())
    throw InputError("the module has no method forward; an engine runs that");
  ForwardGraph forward{WithHooks(module), inputs, {}};
  jit::ClearProfilingInformation(forward.graph);
  FitInputs(*forward.graph, module.get_method("forward").function().getSchema(), inputs);
  jit::Inline(*forward.graph);
  jit::InlineForkWait(forward.graph);
  AttributeLifter(forward, module._ivalue()).Run();
  return forward;
}

}  // namespace nacelle::reference
