"""Operators over axes: reductions, softmax, running sums."""

from functools import partial

from onnx_to_torchscript.node import Node
from onnx_to_torchscript.registry import add, operator

# The newest version and the function.
REDUCTIONS: dict[str, tuple[int, str]] = {
    "ReduceL1": (18, "l1"),
    "ReduceL2": (18, "l2"),
    "ReduceLogSum": (28, "log_sum"),
    "ReduceLogSumExp": (28, "log_sum_exp"),
    "ReduceMax": (20, "largest"),
    "ReduceMean": (18, "mean"),
    "ReduceMin": (20, "smallest"),
    "ReduceProd": (18, "product"),
    "ReduceSum": (13, "total"),
    "ReduceSumSquare": (18, "sum_of_squares"),
}


def _reduce(node: Node, function: str) -> str:
    keep = bool(node.attribute("keepdims", 1))
    none_is_none = bool(node.attribute("noop_with_empty_axes", 0))
    return f"fn.reduction.{function}({node.input(0)}, {node.axes(1)}, {keep}, {none_is_none})"


for _name, (_last, _function) in REDUCTIONS.items():
    add(_name, 1, _last, partial(_reduce, function=_function))


def _arg(node: Node, function: str) -> str:
    axis = node.attribute("axis", 0)
    keep = bool(node.attribute("keepdims", 1))
    last = bool(node.attribute("select_last_index", 0))
    return f"fn.reduction.{function}({node.input(0)}, {axis}, {keep}, {last})"


@operator("ArgMax", 1, 13)
def arg_max(node: Node) -> str:
    return _arg(node, "arg_largest")


@operator("ArgMin", 1, 13)
def arg_min(node: Node) -> str:
    return _arg(node, "arg_smallest")


@operator("Softmax", 1, 13)
def softmax(node: Node) -> str:
    if node.version < 13:
        return f"fn.reduction.flat_softmax({node.input(0)}, {node.attribute('axis', 1)}, False)"
    return f"torch.softmax({node.input(0)}, {node.attribute('axis', -1)})"


@operator("LogSoftmax", 1, 13)
def log_softmax(node: Node) -> str:
    if node.version < 13:
        return f"fn.reduction.flat_softmax({node.input(0)}, {node.attribute('axis', 1)}, True)"
    return f"torch.log_softmax({node.input(0)}, {node.attribute('axis', -1)})"


@operator("Hardmax", 1, 13)
def hardmax(node: Node) -> str:
    if node.version < 13:
        return f"fn.reduction.flat_hardmax({node.input(0)}, {node.attribute('axis', 1)})"
    return f"fn.reduction.hardmax({node.input(0)}, {node.attribute('axis', -1)})"


@operator("CumSum", 11, 14)
def cum_sum(node: Node) -> str:
    flags = ", ".join(str(bool(node.attribute(name, 0))) for name in ("exclusive", "reverse"))
    return f"fn.reduction.cumulative_sum({node.input(0)}, {node.integer(1)}, {flags})"
