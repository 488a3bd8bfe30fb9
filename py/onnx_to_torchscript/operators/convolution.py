"""Convolutions and pooling."""

from onnx_to_torchscript.errors import UnsupportedError
from onnx_to_torchscript.node import Node, Result
from onnx_to_torchscript.registry import operator

AUTO_PADS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


def _geometry(node: Node) -> str:
    automatic = node.choice("auto_pad", "NOTSET", AUTO_PADS)
    lists = [node.int_list_attribute(name) for name in ("pads", "strides", "dilations")]
    return f"fn.convolution.Geometry({', '.join([automatic, *lists])})"


@operator("Conv", 1, 22)
def conv(node: Node) -> str:
    node.attribute("kernel_shape")  # the weight's own
    inputs = f"{node.input(0)}, {node.input(1)}, {node.optional(2)}"
    return f"fn.convolution.conv({inputs}, {_geometry(node)}, {node.attribute('group', 1)})"


@operator("ConvTranspose", 1, 22)
def conv_transpose(node: Node) -> str:
    node.attribute("kernel_shape")
    inputs = f"{node.input(0)}, {node.input(1)}, {node.optional(2)}"
    lists = f"{node.int_list_attribute('output_padding')}, {node.int_list_attribute('output_shape')}"
    return f"fn.convolution.conv_transpose({inputs}, {_geometry(node)}, {node.attribute('group', 1)}, {lists})"


@operator("ConvInteger", 10, 10)
def conv_integer(node: Node) -> str:
    node.attribute("kernel_shape")
    inputs = f"{node.input(0)}, {node.input(1)}, {node.optional(2)}, {node.optional(3)}"
    return f"fn.convolution.integer_conv({inputs}, {_geometry(node)}, {node.attribute('group', 1)})"


def _pooling(node: Node) -> str:
    """The arguments that all poolings over windows take."""
    kernel = node.attribute("kernel_shape")
    if not 1 <= len(kernel) <= 3:
        raise UnsupportedError(f"its kernel has {len(kernel)} dimensions; translated are 1 to 3")
    shape, ceil = node.int_list_attribute("kernel_shape"), bool(node.attribute("ceil_mode", 0))
    return f"{node.input(0)}, {shape}, {_geometry(node)}, {ceil}"


@operator("MaxPool", 1, 22)
def max_pool(node: Node) -> str | Result:
    common = _pooling(node)
    column_major = bool(node.attribute("storage_order", 0))
    if node.uses_output(1):
        return Result(f"fn.pooling.max_pool_indices({common}, {column_major})", 2)
    return f"fn.pooling.max_pool({common})"


@operator("AveragePool", 7, 22)
def average_pool(node: Node) -> str:
    return f"fn.pooling.average_pool({_pooling(node)}, {bool(node.attribute('count_include_pad', 0))})"


@operator("LpPool", 2, 22)
def lp_pool(node: Node) -> str:
    return f"fn.pooling.lp_pool({_pooling(node)}, {node.attribute('p', 2)})"


@operator("GlobalAveragePool", 1, 22)
def global_average_pool(node: Node) -> str:
    return f"fn.pooling.global_average({node.input(0)})"


@operator("GlobalMaxPool", 1, 22)
def global_max_pool(node: Node) -> str:
    return f"fn.pooling.global_max({node.input(0)})"


@operator("GlobalLpPool", 2, 22)
def global_lp_pool(node: Node) -> str:
    return f"fn.pooling.global_lp({node.input(0)}, {node.attribute('p', 2)})"
