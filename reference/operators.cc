#include "reference/operators.h"

#include <ATen/core/function_schema.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "core/text.h"
#include "reference/forward_graph.h"

namespace nacelle::reference {

namespace jit = torch::jit;

namespace {

using Names = std::unordered_set<std::string_view>;

// Operators on numbers, texts and lists that cost no more than the values that they take.
const Names& ScalarOperators() {
  static const auto* const names = new Names{"Bool",
                                             "Complex",
                                             "Float",
                                             "Int",
                                             "Size",
                                             "__and__",
                                             "__contains__",
                                             "__derive_index",
                                             "__getitem__",
                                             "__is__",
                                             "__isnot__",
                                             "__lshift__",
                                             "__not__",
                                             "__or__",
                                             "__range_length",
                                             "__round_to_zero_floordiv",
                                             "__rshift__",
                                             "__xor__",
                                             "_assert_scalar",
                                             "_infer_size",
                                             "_set_item",
                                             "_size_if_not_equal",
                                             "_unwrap_optional",
                                             "acos",
                                             "acosh",
                                             "add",
                                             "add_",
                                             "all",
                                             "angle",
                                             "any",
                                             "append",
                                             "asin",
                                             "asinh",
                                             "atan",
                                             "atan2",
                                             "atanh",
                                             "bin",
                                             "broadcast_shapes",
                                             "can_cast",
                                             "capitalize",
                                             "ceil",
                                             "chr",
                                             "clear",
                                             "copy",
                                             "copysign",
                                             "cos",
                                             "cosh",
                                             "count",
                                             "degrees",
                                             "dequantize",
                                             "device",
                                             "dict",
                                             "div",
                                             "divmod",
                                             "endswith",
                                             "eq",
                                             "erf",
                                             "erfc",
                                             "exp",
                                             "expm1",
                                             "extend",
                                             "fabs",
                                             "find",
                                             "floor",
                                             "floordiv",
                                             "fmod",
                                             "format",
                                             "frexp",
                                             "gamma",
                                             "gcd",
                                             "ge",
                                             "get",
                                             "get_autocast_dtype",
                                             "gt",
                                             "has_torch_function",
                                             "hash",
                                             "hex",
                                             "index",
                                             "insert",
                                             "is_autocast_cpu_enabled",
                                             "is_autocast_enabled",
                                             "is_grad_enabled",
                                             "is_scripting",
                                             "isalnum",
                                             "isalpha",
                                             "isdecimal",
                                             "isdigit",
                                             "isfinite",
                                             "isidentifier",
                                             "isinf",
                                             "islower",
                                             "isnan",
                                             "isnumeric",
                                             "isprintable",
                                             "isspace",
                                             "istitle",
                                             "isupper",
                                             "items",
                                             "join",
                                             "keys",
                                             "ldexp",
                                             "le",
                                             "len",
                                             "lgamma",
                                             "list",
                                             "log",
                                             "log10",
                                             "log1p",
                                             "lower",
                                             "lstrip",
                                             "lt",
                                             "mathremainder",
                                             "modf",
                                             "mul",
                                             "mul_",
                                             "ne",
                                             "neg",
                                             "oct",
                                             "ord",
                                             "partition",
                                             "percentFormat",
                                             "polar",
                                             "pop",
                                             "popitem",
                                             "pow",
                                             "promote_types",
                                             "radians",
                                             "remainder",
                                             "remove",
                                             "result_type",
                                             "reverse",
                                             "rfind",
                                             "rindex",
                                             "round",
                                             "rpartition",
                                             "rsplit",
                                             "rstrip",
                                             "select",
                                             "setdefault",
                                             "sin",
                                             "sinh",
                                             "slice",
                                             "sort",
                                             "sorted",
                                             "split",
                                             "splitlines",
                                             "sqrt",
                                             "startswith",
                                             "str",
                                             "strip",
                                             "sub",
                                             "sum",
                                             "swapcase",
                                             "sym_constrain_range",
                                             "sym_constrain_range_for_size",
                                             "tan",
                                             "tanh",
                                             "title",
                                             "update",
                                             "upper",
                                             "values",
                                             "warn"};
  return *names;
}

// TorchScript's own operators (prim) that an engine's graph may have.
const Names& GraphOperators() {
  static const auto* const names = new Names{"Constant",
                                             "DictConstruct",
                                             "EnumName",
                                             "EnumValue",
                                             "GetAttr",
                                             "If",
                                             "IfThenElse",
                                             "ListConstruct",
                                             "ListUnpack",
                                             "Loop",
                                             "NumToTensor",
                                             "Param",
                                             "Print",
                                             "RaiseException",
                                             "Return",
                                             "StringIndex",
                                             "TupleConstruct",
                                             "TupleIndex",
                                             "TupleSlice",
                                             "TupleUnpack",
                                             "Uninitialized",
                                             "abs",
                                             "data",
                                             "device",
                                             "dtype",
                                             "is_cpu",
                                             "is_cuda",
                                             "is_ipu",
                                             "is_maia",
                                             "is_meta",
                                             "is_mkldnn",
                                             "is_mps",
                                             "is_mtia",
                                             "is_nested",
                                             "is_quantized",
                                             "is_sparse",
                                             "is_sparse_csr",
                                             "is_vulkan",
                                             "is_xla",
                                             "is_xpu",
                                             "isinstance",
                                             "itemsize",
                                             "layout",
                                             "max",
                                             "min",
                                             "nbytes",
                                             "rangelist",
                                             "requires_grad",
                                             "shape",
                                             "tolist",
                                             "type",
                                             "unchecked_cast",
                                             "unchecked_unwrap_optional"};
  return *names;
}

bool HasTensor(const c10::FunctionSchema& schema) {
  const auto holds = [](const c10::Argument& argument) {
    return argument.type()->str().find("Tensor") != std::string::npos;
  };
  return std::ranges::any_of(schema.arguments(), holds) || std::ranges::any_of(schema.returns(), holds);
}

}  // namespace

std::string WhyOperatorIsRefused(c10::Symbol name) {
  const std::string_view space = name.ns().toUnqualString();
  const std::string_view plain = name.toUnqualString();
  if (space == "prim") return GraphOperators().contains(plain) ? "" : "which an engine cannot have";
  if (space == "quantized" || space == "_quantized") return "";
  if (space != "aten") return "which is not one of torch's own";
  if (plain == "from_file" || plain == "save") return "which reads or writes files";
  if (ScalarOperators().contains(plain)) return "";
  for (const auto& op : jit::getAllOperatorsFor(name)) {
    if (!HasTensor(op->schema())) return "which has effects outside of the engine, or does work without bounds";
  }
  return "";
}

std::string FindRefusedOperator(jit::Graph& graph, bool with_prim) {
  std::string refused;
  ForEachNode(*graph.block(), [&](jit::Node& node) {
    if (!refused.empty() || (node.kind().is_prim() && !with_prim)) return;
    const std::string why = WhyOperatorIsRefused(node.kind());
    if (!why.empty()) refused = Cat(node.kind().toQualString(), ", ", why);
  });
  return refused;
}

}  // namespace nacelle::reference
