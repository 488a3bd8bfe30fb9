#include "reference/state.h"

#include <ATen/core/alias_info.h>
#include <ATen/core/function_schema.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "reference/simplify.h"

namespace nacelle::reference {

namespace jit = torch::jit;

namespace {

// Relation of a value to the module's memory.
enum class Level {
  kHolds,  // a container that forward made, whose elements may be the module's
  kIs,     // the module's own: a tensor that may share its memory, or a container
};

struct Mark {
  Level level;
  std::string what;  // "the attribute \"count\""
};

// True if forward can change a value of this type, or one inside it.
bool IsMutable(const c10::Type& type) {
  switch (type.kind()) {
    case c10::TypeKind::TensorType:
    case c10::TypeKind::ListType:
    case c10::TypeKind::DictType:
    case c10::TypeKind::ClassType:
    case c10::TypeKind::AnyType:
      return true;
    default:
      return std::ranges::any_of(type.containedTypes(), [](const c10::TypePtr& inner) { return IsMutable(*inner); });
  }
}

// True for lists, dicts and tuples. The elements of other mutable values are numbers in memory.
bool IsContainer(const jit::Value& value) {
  const c10::TypePtr& type = value.type();
  return !type->isSubtypeOf(*c10::OptionalType::ofTensor()) && type->kind() != c10::TypeKind::AnyType;
}

bool Names(const c10::AliasInfo& info, c10::Symbol set) {
  return info.beforeSets().contains(set) || info.afterSets().contains(set) ||
         std::ranges::any_of(info.containedTypes(), [set](const auto& inner) { return Names(inner, set); });
}

// True if a value with the alias info `result` may be one with `argument`, or a part of it.
bool MayShare(const c10::AliasInfo& argument, const c10::AliasInfo& result) {
  const auto shares = [&](const std::unordered_set<c10::Symbol>& sets) {
    return std::ranges::any_of(
        sets, [&](c10::Symbol set) { return set == c10::AliasInfo::wildcardSet() || Names(argument, set); });
  };
  return shares(result.beforeSets()) || shares(result.afterSets()) ||
         std::ranges::any_of(result.containedTypes(), [&](const auto& inner) { return MayShare(argument, inner); });
}

// Follows the module's memory through a graph.
class StateSearch {
 public:
  explicit StateSearch(const std::shared_ptr<jit::Graph>& graph) : graph_(graph), aliases_(graph) {}

  void Add(const jit::Value& value, std::string what) { marks_.insert({&value, {Level::kIs, std::move(what)}}); }

  // Returns the module's value that forward writes to; nullopt if there is none.
  std::optional<std::string> FindWrite() {
    do {
      changed_ = false;
      ForEachNode(*graph_->block(), [this](jit::Node& node) { Follow(node); });
    } while (changed_);
    std::optional<std::string> written;
    ForEachNode(*graph_->block(), [&](jit::Node& node) {
      if (!written.has_value()) written = WrittenBy(node);
    });
    return written;
  }

 private:
  const Mark* Find(const jit::Value* value) const {
    const auto it = marks_.find(value);
    return it == marks_.end() ? nullptr : &it->second;
  }

  void Set(const jit::Value* value, Level level, const std::string& what) {
    if (!IsMutable(*value->type())) return;
    const auto [place, added] = marks_.try_emplace(value, Mark{level, what});
    changed_ |= added || place->second.level < level;
    if (place->second.level < level) place->second = {level, what};
  }

  void Pass(const jit::Value* from, const jit::Value* to) {
    if (const Mark* mark = Find(from); mark != nullptr) Set(to, mark->level, mark->what);
  }

  void Follow(jit::Node& node) {
    if (node.kind() == c10::prim::If) {
      for (jit::Block* branch : node.blocks()) PassAll(branch->outputs(), node.outputs());
    } else if (node.kind() == c10::prim::Loop) {
      jit::Block& body = *node.blocks()[0];
      const at::ArrayRef<jit::Value*> before = node.inputs().slice(2), after = body.outputs().slice(1);
      PassAll(before, body.inputs().slice(1));
      PassAll(after, body.inputs().slice(1));
      PassAll(before, node.outputs());
      PassAll(after, node.outputs());
    } else {
      FollowOperator(node);
    }
  }

  void PassAll(at::ArrayRef<jit::Value*> from, at::ArrayRef<jit::Value*> to) {
    for (size_t i = 0; i < from.size(); ++i) Pass(from[i], to[i]);
  }

  void FollowOperator(jit::Node& node) {
    for (size_t i = 0; i < node.inputs().size(); ++i) {
      const Mark* const mark = Find(node.inputs()[i]);
      if (mark == nullptr) continue;
      const Mark from = *mark;
      for (size_t o = 0; o < node.outputs().size(); ++o) {
        if (MayReturn(node, i, o)) Set(node.outputs()[o], LevelOf(node, i, o, from.level), from.what);
      }
      FollowIntoContainers(node, i, from.what);
    }
  }

  // True if output `o` of `node` may share memory with input `i`, or hold a value that does.
  static bool MayReturn(jit::Node& node, size_t i, size_t o) {
    const c10::FunctionSchema* const schema = SchemaOf(node);
    if (schema == nullptr) return true;
    if (i >= schema->arguments().size() || o >= schema->returns().size()) return true;
    const c10::AliasInfo* const result = schema->returns()[o].alias_info();
    // A new list may have the elements of another one.
    if (result == nullptr) return IsContainer(*node.inputs()[i]) && IsContainer(*node.outputs()[o]);
    const c10::AliasInfo* const argument = schema->arguments()[i].alias_info();
    return MayShare(argument == nullptr ? c10::AliasInfo() : *argument, *result) && !IsSeenToCopy(node, i, o);
  }

  // True if `node` computes output `o` from constants alone, and the result is not a view of input `i`: for example
  // `to` with another dtype.
  static bool IsSeenToCopy(jit::Node& node, size_t i, size_t o) {
    const std::optional<c10::IValue> input = jit::toIValue(node.inputs()[i]);
    if (!input.has_value() || !input->isTensor() ||
        !std::ranges::none_of(Indices(node), [&](size_t index) { return Writes(node, index); })) {
      return false;
    }
    const auto results = jit::runNodeIfInputsAreConstant(&node);
    return results.has_value() && (*results)[o].isTensor() && !(*results)[o].toTensor().is_alias_of(input->toTensor());
  }

  static Level LevelOf(const jit::Node& node, size_t i, size_t o, Level from) {
    if (!IsContainer(*node.outputs()[o])) return Level::kIs;
    const bool makes = node.kind() == c10::prim::ListConstruct || node.kind() == c10::prim::TupleConstruct ||
                       node.kind() == c10::prim::DictConstruct;
    return makes || !IsContainer(*node.inputs()[i]) ? Level::kHolds : from;
  }

  // Marks every value that may be a container into which `node` puts an element.
  void FollowIntoContainers(jit::Node& node, size_t i, const std::string& what) {
    for (size_t c = 0; c < node.inputs().size(); ++c) {
      if (c == i || !IsContainer(*node.inputs()[c]) || !Writes(node, c)) continue;
      for (jit::Value* value : Containers()) {
        if (aliases_.mayAlias(value, node.inputs()[c])) Set(value, Level::kHolds, what);
      }
    }
  }

  const std::vector<jit::Value*>& Containers() {
    if (containers_.has_value()) return *containers_;
    containers_.emplace();
    const auto add = [this](at::ArrayRef<jit::Value*> values) {
      for (jit::Value* value : values) {
        if (IsMutable(*value->type()) && IsContainer(*value)) containers_->push_back(value);
      }
    };
    ForEachNode(*graph_->block(), [&](jit::Node& node) {
      add(node.outputs());
      for (jit::Block* block : node.blocks()) add(block->inputs());
    });
    return *containers_;
  }

  // Returns the module's value that `node` itself writes to, apart from the nodes in its blocks.
  std::optional<std::string> WrittenBy(jit::Node& node) const {
    if (node.kind() == c10::prim::SetAttr) return Cat("the attribute ", Quote(node.s(c10::attr::name)));
    if (!node.blocks().empty()) return std::nullopt;
    for (const size_t i : Indices(node)) {
      const Mark* const mark = Find(node.inputs()[i]);
      if (mark == nullptr) continue;
      if (mark->level == Level::kIs ? Writes(node, i) || WritesUndeclared(node, i) : WritesToElements(node, i)) {
        return mark->what;
      }
    }
    return std::nullopt;
  }

  static bool Writes(const jit::Node& node, size_t i) {
    const c10::AliasInfo* const info = AliasInfoOf(node, i);
    return info != nullptr && (info->isWrite() || WritesToElements(node, i));
  }

  static bool WritesToElements(const jit::Node& node, size_t i) {
    const c10::AliasInfo* const info = AliasInfoOf(node, i);
    if (info == nullptr) return false;
    // `Tensor(a!)[]` has the set at its elements, `t[](a!)` at the list.
    return (info->isWrite() && info->beforeSets().empty()) ||
           std::ranges::any_of(info->containedTypes(), &c10::AliasInfo::isWrite);
  }

  // True for a write that torch's analysis knows but no schema declares: the statistics of a batch normalization in
  // training.
  bool WritesUndeclared(jit::Node& node, size_t i) const {
    const jit::Operator* const op = node.maybeOperator();
    if (op == nullptr || op->aliasAnalysisKind() == c10::AliasAnalysisKind::CONSERVATIVE) return false;
    return std::ranges::all_of(Indices(node), [&](size_t index) { return AliasInfoOf(node, index) == nullptr; }) &&
           aliases_.writesToAlias(&node, jit::ValueSet{node.inputs()[i]});
  }

  static const c10::AliasInfo* AliasInfoOf(const jit::Node& node, size_t i) {
    const c10::FunctionSchema* const schema = node.maybeSchema();
    return schema == nullptr || i >= schema->arguments().size() ? nullptr : schema->arguments()[i].alias_info();
  }

  // Returns null for TorchScript's own nodes, whose results may be any of their inputs.
  static const c10::FunctionSchema* SchemaOf(const jit::Node& node) {
    return node.kind().is_prim() ? nullptr : node.maybeSchema();
  }

  static std::vector<size_t> Indices(const jit::Node& node) {
    std::vector<size_t> indices(node.inputs().size());
    std::iota(indices.begin(), indices.end(), size_t{0});
    return indices;
  }

  const std::shared_ptr<jit::Graph> graph_;
  const jit::AliasDb aliases_;
  std::unordered_map<const jit::Value*, Mark> marks_;
  std::optional<std::vector<jit::Value*>> containers_;  // the graph's; set when first needed
  bool changed_ = false;
};

std::string Described(const std::string& path) { return Cat("the attribute ", Quote(path)); }

// Makes constants, named by their paths, of the attributes whose types torch has constants of.
void InsertConstants(const ForwardGraph& forward) {
  jit::Graph& graph = *forward.graph;
  const jit::WithInsertPoint at_start(*graph.nodes().begin());
  for (size_t i = 0; i < forward.attributes.size(); ++i) {
    const auto constant = jit::tryInsertConstant(graph, forward.attributes[i].value);
    if (!constant.has_value()) continue;
    (*constant)->node()->s_(c10::attr::name, forward.attributes[i].path);
    forward.value_of(i)->replaceAllUsesWith(*constant);
  }
}

// Makes outputs of the module's own values. torch's passes remove a write that no later node reads, though the next
// call would read it.
void KeepWritesAlive(const ForwardGraph& forward) {
  jit::Graph& graph = *forward.graph;
  for (size_t i = 0; i < forward.attributes.size(); ++i) graph.registerOutput(forward.value_of(i));
  for (jit::Node* node : graph.nodes()) {
    if (node->kind() == c10::prim::Constant && IsMutable(*node->output()->type())) graph.registerOutput(node->output());
  }
}

}  // namespace

void CheckKeepsNoState(const ForwardGraph& forward) {
  ForwardGraph copy = forward.Copy();
  InsertConstants(copy);
  KeepWritesAlive(copy);
  PruneBranches(copy.graph);
  StateSearch search(copy.graph);
  for (size_t i = 0; i < copy.attributes.size(); ++i) {
    search.Add(*copy.value_of(i), Described(copy.attributes[i].path));
  }
  ForEachNode(*copy.graph->block(), [&](jit::Node& node) {
    if (node.kind() != c10::prim::Constant || !IsMutable(*node.output()->type())) return;
    const bool named = node.hasAttribute(c10::attr::name);
    search.Add(*node.output(), named ? Described(node.s(c10::attr::name)) : "a constant tensor of the module");
  });
  if (const auto written = search.FindWrite()) throw StateError(*written);
}

}  // namespace nacelle::reference
