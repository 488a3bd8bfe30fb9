"""Quantization."""

import torch

from onnx_to_torchscript.constants import dtype_of
from onnx_to_torchscript.errors import UnsupportedError
from onnx_to_torchscript.node import Node, Result, dtype_text
from onnx_to_torchscript.registry import operator

QUANTIZED = (torch.int8, torch.uint8, torch.int16, torch.uint16, torch.int32)


def _target(node: Node) -> str:
    """The dtype that quantization gives: the zero point's, or the one that is named, or uint8."""
    named = node.attribute("output_dtype", 0)
    if node.has_input(2):
        zero = node.constant(2)
        if zero is None:
            return f"{node.input(2)}.dtype"
        dtype = zero.dtype
    else:
        dtype = dtype_of(named) if named else torch.uint8
    if dtype not in QUANTIZED:
        raise UnsupportedError(f"quantization to {dtype_text(dtype)} is not translated")
    return dtype_text(dtype)


@operator("QuantizeLinear", 10, 28)
def quantize_linear(node: Node) -> str:
    node.attribute("saturate", 1)
    node.attribute("precision", 0)
    axis, block = node.attribute("axis", 1), node.attribute("block_size", 0)
    inputs = f"{node.input(0)}, {node.input(1)}, {node.optional(2)}"
    return f"fn.quantization.quantize({inputs}, {axis}, {block}, {_target(node)})"


@operator("DequantizeLinear", 10, 28)
def dequantize_linear(node: Node) -> str:
    if node.attribute("output_dtype", 0):
        raise UnsupportedError("output_dtype is not translated")
    axis, block = node.attribute("axis", 1), node.attribute("block_size", 0)
    return f"fn.quantization.dequantize({node.input(0)}, {node.input(1)}, {node.optional(2)}, {axis}, {block})"


@operator("DynamicQuantizeLinear", 11, 11)
def dynamic_quantize_linear(node: Node) -> Result:
    return Result(f"fn.quantization.dynamic({node.input(0)})", 3)
