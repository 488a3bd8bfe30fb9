"""Adaptive average pooling for torch's TorchScript exporter, which has it only if sizes are fixed and divide.

ONNX has no such operator. Each output is a mean over a range of rows and one of columns, which follow from the input's
size. So the pooling is a product with a matrix for each dimension, and the graph can compute the matrix.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from torch_nacelle._models.onnx_model import DTYPES

_OPERATORS = ("aten::adaptive_avg_pool1d", "aten::adaptive_avg_pool2d")


@contextlib.contextmanager
def adaptive_pooling(opset: int) -> Iterator[None]:
    """Makes the exporter write adaptive average pooling of any size. The caller holds the exporter's lock."""
    from torch.onnx.utils import register_custom_op_symbolic, unregister_custom_op_symbolic  # not with torch itself

    for operator in _OPERATORS:
        register_custom_op_symbolic(operator, _pooled, opset)
    try:
        yield
    finally:
        for operator in _OPERATORS:
            unregister_custom_op_symbolic(operator, opset)


def bins(size: int, count: int) -> list[tuple[int, int]]:
    """The range of each of `count` means over `size` elements, as torch has it: they may overlap."""
    return [(index * size // count, -(-(index + 1) * size // count)) for index in range(count)]


def _pooled(g: Any, x: Any, output_size: Any) -> Any:
    """The operators of ONNX for a node of the graph."""
    from torch.onnx import symbolic_helper  # not with torch itself

    counts = symbolic_helper._maybe_get_const(output_size, "is")
    if not isinstance(counts, (list, tuple)):
        return symbolic_helper._unimplemented("adaptive_avg_pool", "output size that is not constant", x)
    if all(count == 1 for count in counts):
        return g.op("GlobalAveragePool", x)
    sizes: Sequence[int | None] = symbolic_helper._get_tensor_sizes(x) or [None] * (len(counts) + 2)
    sizes = sizes[-len(counts) :]
    kernel = [size // count for size, count in zip(sizes, counts, strict=True) if size and size % count == 0]
    if len(kernel) == len(counts):
        return g.op("AveragePool", x, kernel_shape_i=kernel, strides_i=kernel)
    dtype = x.type().dtype() or torch.float32
    for place, (size, count) in enumerate(zip(sizes, counts, strict=True)):
        dim = place - len(counts)
        matrix = _computed(g, x, dim, count, dtype) if size is None else _constant(g, size, count, dtype)
        factors = [x, g.op("Transpose", matrix, perm_i=[1, 0])] if dim == -1 else [matrix, x]
        x = g.op("MatMul", *factors)
    return x


def _constant(g: Any, size: int, count: int, dtype: torch.dtype) -> Any:
    """The matrix [count, size] for a size that is known."""
    matrix = torch.zeros(count, size, dtype=torch.float64)
    for index, (start, end) in enumerate(bins(size, count)):
        matrix[index, start:end] = 1 / (end - start)
    return g.op("Constant", value_t=matrix.to(dtype))


def _computed(g: Any, x: Any, dim: int, count: int, dtype: torch.dtype) -> Any:
    """The matrix [count, size] for the size of a dimension, which is known when the graph runs."""

    def constant(value: int | list[list[int]]) -> Any:
        return g.op("Constant", value_t=torch.tensor(value, dtype=torch.int64))

    kinds = {kind: number for number, kind in DTYPES.items()}
    number = kinds[dtype if dtype in (torch.float16, torch.float64) else torch.float32]
    size = g.op("Gather", g.op("Shape", x), constant(dim), axis_i=0)
    start = g.op("Div", g.op("Mul", constant([[index] for index in range(count)]), size), constant(count))
    raised = g.op("Add", g.op("Mul", constant([[index + 1] for index in range(count)]), size), constant(count - 1))
    end = g.op("Div", raised, constant(count))
    place = g.op("Range", constant(0), size, constant(1))
    inside = g.op("And", g.op("Not", g.op("Less", place, start)), g.op("Less", place, end))
    width = g.op("Cast", g.op("Sub", end, start), to_i=number)
    return g.op("Div", g.op("Cast", inside, to_i=number), width)
