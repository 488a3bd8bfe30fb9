"""Operators that make constants, read shapes, or change only shapes."""

import torch

from onnx_to_torchscript.constants import dtype_of, tensor_of
from onnx_to_torchscript.errors import UnsupportedError
from onnx_to_torchscript.node import Node, Result, dtype_text, int_list
from onnx_to_torchscript.registry import operator


@operator("Constant", 1, 25)
def constant(node: Node) -> str:
    if node.has_attribute("value"):
        return node.new_constant(tensor_of(node.attribute("value"))).text
    for name, dtype in (("value_float", torch.float32), ("value_floats", torch.float32)):
        if node.has_attribute(name):
            return node.new_constant(torch.tensor(node.attribute(name), dtype=dtype)).text
    for name in ("value_int", "value_ints"):
        if node.has_attribute(name):
            return node.new_constant(torch.tensor(node.attribute(name), dtype=torch.int64)).text
    raise UnsupportedError("its value is a text or a sparse tensor")


@operator("ConstantOfShape", 9, 25)
def constant_of_shape(node: Node) -> str:
    value = tensor_of(node.attribute("value")) if node.has_attribute("value") else torch.zeros(1)
    return f"fn.shapes.constant_of_shape({node.input(0)}, {node.new_constant(value).text})"


@operator("Shape", 1, 25)
def shape(node: Node) -> str:
    return f"fn.shapes.shape({node.input(0)}, {node.attribute('start', 0)}, {node.attribute('end')})"


@operator("Size", 1, 25)
def size(node: Node) -> str:
    return f"fn.shapes.size({node.input(0)})"


@operator("Reshape", 5, 25)
def reshape(node: Node) -> str:
    return f"fn.shapes.reshape({node.input(0)}, {node.ints(1)}, {bool(node.attribute('allowzero', 0))})"


@operator("Flatten", 1, 25)
def flatten(node: Node) -> str:
    return f"fn.shapes.flatten({node.input(0)}, {node.attribute('axis', 1)})"


@operator("Transpose", 1, 25)
def transpose(node: Node) -> str:
    return f"fn.shapes.transpose({node.input(0)}, {node.int_list_attribute('perm')})"


@operator("Squeeze", 1, 25)
def squeeze(node: Node) -> str:
    return f"fn.shapes.squeeze({node.input(0)}, {node.axes(1)})"


@operator("Unsqueeze", 1, 25)
def unsqueeze(node: Node) -> str:
    return f"fn.shapes.unsqueeze({node.input(0)}, {node.axes(1)})"


@operator("Concat", 4, 13)
def concat(node: Node) -> str:
    return f"torch.cat([{', '.join(node.all_inputs())}], {node.attribute('axis')})"


@operator("Split", 2, 18)
def split(node: Node) -> Result:
    axis, count = node.attribute("axis", 0), node.output_count
    node.attribute("num_outputs")
    if node.has_attribute("split"):
        return Result(f"fn.shapes.split({node.input(0)}, {node.int_list_attribute('split')}, {axis})", count)
    if node.has_input(1):
        return Result(f"fn.shapes.split({node.input(0)}, {node.ints(1)}, {axis})", count)
    return Result(f"fn.shapes.split_evenly({node.input(0)}, {count}, {axis})", count)


@operator("Expand", 8, 13)
def expand(node: Node) -> str:
    return f"fn.shapes.expand({node.input(0)}, {node.ints(1)})"


@operator("Tile", 6, 13)
def tile(node: Node) -> str:
    return f"{node.input(0)}.repeat({node.ints(1)})"


@operator("Range", 11, 27)
def range_(node: Node) -> str:
    return f"fn.shapes.arange({', '.join(node.all_inputs())})"


@operator("Pad", 2, 25)
def pad(node: Node) -> str:
    mode = node.choice("mode", "constant", ("constant", "reflect", "edge", "wrap"))
    if node.version < 11:
        value = node.new_constant(torch.tensor(node.attribute("value", 0.0))).text
        pads, axes = node.int_list_attribute("pads"), int_list([])
        return f"fn.shapes.pad({node.input(0)}, {pads}, {axes}, {mode}, {value}.to({node.input(0)}.dtype))"
    axes = node.ints(3) if node.has_input(3) else int_list([])
    return f"fn.shapes.pad({node.input(0)}, {node.ints(1)}, {axes}, {mode}, {node.optional(2)})"


@operator("DepthToSpace", 1, 28)
def depth_to_space(node: Node) -> str:
    depth_first = node.choice("mode", "DCR", ("DCR", "CRD")) == "'DCR'"
    return f"fn.shapes.depth_to_space({node.input(0)}, {node.attribute('blocksize')}, {depth_first})"


@operator("SpaceToDepth", 1, 28)
def space_to_depth(node: Node) -> str:
    node.choice("mode", "DCR", ("DCR",))
    return f"fn.shapes.space_to_depth({node.input(0)}, {node.attribute('blocksize')})"


@operator("EyeLike", 9, 22)
def eye_like(node: Node) -> str:
    given = node.attribute("dtype", 0)
    dtype = dtype_text(dtype_of(given)) if given else f"{node.input(0)}.dtype"
    return f"fn.shapes.identity_like({node.input(0)}, {node.attribute('k', 0)}, {dtype})"


@operator("Trilu", 14, 14)
def trilu(node: Node) -> str:
    k = node.integer(1) if node.has_input(1) else "0"
    return f"fn.shapes.triangle({node.input(0)}, {k}, {bool(node.attribute('upper', 1))})"
