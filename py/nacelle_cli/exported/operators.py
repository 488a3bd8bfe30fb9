"""The functions that a graph may call. torch's reader takes any attribute of the module torch for one."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

_OVERLOAD = re.compile(r"torch\.ops\.(\w+)\.(\w+)\.(\w+)", re.ASCII)
# Namespaces of operators that compute tensors of tensors.
_NAMESPACES = frozenset({"aten", "prims", "quantized", "quantized_decomposed", "torchvision"})
# Arguments that are texts, by name. (The file that aten::from_file reads or makes is none of them.)
_TEXTS = frozenset({
    "ord", "p", "norm", "rounding_mode", "driver", "padding", "UPLO", "approximate", "mode", "reduce", "interpolation",
    "activation", "assert_msg", "pad_mode", "side", "equation", "padding_side", "indexing",
})  # fmt: skip
_TYPES = re.compile(r"(?:Optional\[|List\[)*(Tensor|int|bool|number|float|str|Device|Generator)\]*")
_ARITHMETIC = {
    "_operator": (
        "eq", "ne", "le", "ge", "lt", "gt", "neg", "pos", "abs", "not_", "mul", "add", "sub", "truediv", "floordiv",
        "mod", "pow", "and_", "or_", "lshift", "rshift", "getitem",
    ),
    "math": ("trunc", "ceil", "floor"),
    "torch": (
        "sym_not", "sym_int", "sym_float", "sym_ite", "sym_max", "sym_min", "sym_sqrt", "sym_sum", "_check",
    ),
}  # fmt: skip
_FUNCTIONS = frozenset(f"{module}.{name}" for module, names in _ARITHMETIC.items() for name in names)
# Operators that take graphs of the file. None of them is a loop, which need not end.
_HIGHER_ORDER = frozenset(
    f"torch.ops.higher_order.{name}" for name in ("cond", "wrap_with_set_grad_enabled", "wrap_with_autocast")
)

# The operators that run an engine.
OF_ENGINES = frozenset({"torch.ops.tensorrt.execute_engine.default", "torch.ops.trt.execute_engine.default"})
# The operator that stands for one in programs of Torch-TensorRT for other platforms and runtimes.
PLACEHOLDER = "torch.ops.tensorrt.no_op_placeholder_for_execute_engine.default"


def is_known(target: str) -> bool:
    """True if a graph may call it: an operator on tensors that is registered here, or arithmetic of sizes."""
    if target in _FUNCTIONS or target in _HIGHER_ORDER:
        return True
    match = _OVERLOAD.fullmatch(target)
    return match is not None and match[1] in _NAMESPACES and _computes(*match.groups())


@cache
def _registered() -> frozenset[str]:
    import torch

    return frozenset(torch._C._dispatch_get_all_op_names())


def _computes(namespace: str, name: str, overload: str) -> bool:
    """True for an operator of torch's dispatcher whose arguments are tensors, numbers and known texts."""
    import torch

    variant = "" if overload == "default" else overload
    if f"{namespace}::{name}{'.' if variant else ''}{variant}" not in _registered():
        return False
    schema: Any = torch._C._get_schema(f"{namespace}::{name}", variant)
    for argument in schema.arguments:
        match = _TYPES.fullmatch(str(argument.type))
        if match is None or (match[1] == "str" and argument.name not in _TEXTS):
            return False
    return True
