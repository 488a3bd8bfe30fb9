"""Operators that take or set elements by index."""

from onnx_to_torchscript.errors import UnsupportedError
from onnx_to_torchscript.node import Node, Result, int_list
from onnx_to_torchscript.registry import operator

REDUCTIONS = ("none", "add", "mul", "max", "min")


@operator("Slice", 1, 13)
def slice_(node: Node) -> str:
    if node.version < 10:
        lists = [node.int_list_attribute(name) for name in ("starts", "ends", "axes")]
        return f"fn.indexing.slices({node.input(0)}, {', '.join(lists)}, fn.values.no_ints())"
    empty = int_list([])
    lists = [node.ints(1), node.ints(2)] + [node.ints(index) if node.has_input(index) else empty for index in (3, 4)]
    return f"fn.indexing.slices({node.input(0)}, {', '.join(lists)})"


@operator("Gather", 1, 13)
def gather(node: Node) -> str:
    axis = node.attribute("axis", 0)
    indices = node.constant(1)
    if indices is not None and indices.dim() == 0:
        return f"torch.select({node.input(0)}, {axis}, {int(indices)})"
    return f"fn.indexing.gather({node.input(0)}, {node.input(1)}, {axis})"


@operator("GatherElements", 11, 13)
def gather_elements(node: Node) -> str:
    return f"fn.indexing.gather_elements({node.input(0)}, {node.input(1)}, {node.attribute('axis', 0)})"


@operator("GatherND", 11, 13)
def gather_nd(node: Node) -> str:
    return f"fn.indexing.gather_nd({node.input(0)}, {node.input(1)}, {node.attribute('batch_dims', 0)})"


def _scatter_elements(node: Node) -> str:
    reduction = node.choice("reduction", "none", REDUCTIONS)
    axis = node.attribute("axis", 0)
    return f"fn.indexing.scatter_elements({', '.join(node.all_inputs())}, {axis}, {reduction})"


@operator("Scatter", 9, 11)
def scatter(node: Node) -> str:
    return _scatter_elements(node)


@operator("ScatterElements", 11, 18)
def scatter_elements(node: Node) -> str:
    return _scatter_elements(node)


@operator("ScatterND", 11, 18)
def scatter_nd(node: Node) -> str:
    reduction = node.choice("reduction", "none", REDUCTIONS)
    return f"fn.indexing.scatter_nd({', '.join(node.all_inputs())}, {reduction})"


@operator("OneHot", 9, 28)
def one_hot(node: Node) -> str:
    return f"fn.indexing.one_hot({', '.join(node.all_inputs())}, {node.attribute('axis', -1)})"


@operator("TopK", 1, 24)
def top_k(node: Node) -> Result:
    count = f"torch.tensor({node.attribute('k')})" if node.version < 10 else node.input(1)
    node.attribute("sorted", 1)  # those that need not be sorted may be
    axis, largest = node.attribute("axis", -1), bool(node.attribute("largest", 1))
    return Result(f"fn.indexing.top({node.input(0)}, {count}, {axis}, {largest})", 2)


@operator("NonZero", 9, 13)
def nonzero(node: Node) -> str:
    return f"fn.indexing.nonzero({node.input(0)})"


@operator("Compress", 9, 28)
def compress(node: Node) -> str:
    return f"fn.indexing.compress({node.input(0)}, {node.input(1)}, {node.attribute('axis')})"


@operator("ReverseSequence", 10, 28)
def reverse_sequence(node: Node) -> str:
    batch_axis, time_axis = node.attribute("batch_axis", 1), node.attribute("time_axis", 0)
    if {batch_axis, time_axis} != {0, 1}:
        raise UnsupportedError(
            f"batch_axis is {batch_axis} and time_axis {time_axis}; they are 0 and 1 in either order"
        )
    return f"fn.indexing.reverse_sequence({node.input(0)}, {node.input(1)}, {batch_axis}, {time_axis})"
