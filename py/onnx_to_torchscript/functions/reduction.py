"""Reductions over axes."""

import torch
from torch import Tensor

from onnx_to_torchscript.functions.values import sorted_axes


def prepared(x: Tensor, axes: list[int], none_is_none: bool) -> tuple[Tensor, list[int], bool]:
    """The tensor to reduce, the axes, and True if an axis was added, so that a reduction over none has one."""
    if len(axes) > 0:
        return x, sorted_axes(axes, x.dim()), False
    if none_is_none or x.dim() == 0:
        return x.unsqueeze(0), [0], True
    return x, sorted_axes([axis for axis in range(x.dim())], x.dim()), False  # noqa: C416


def empty(x: Tensor, axes: list[int]) -> bool:
    """True if there is nothing to reduce."""
    nothing = False
    for axis in axes:
        nothing = nothing or x.size(axis) == 0
    return nothing


def total(x: Tensor, axes: list[int], keep: bool, none_is_none: bool) -> Tensor:
    """Sum."""
    x, dims, added = prepared(x, axes, none_is_none)
    return torch.sum(x, dim=dims, keepdim=keep and not added, dtype=x.dtype)


def mean(x: Tensor, axes: list[int], keep: bool, none_is_none: bool) -> Tensor:
    """Mean; of integers rounded towards zero."""
    x, dims, added = prepared(x, axes, none_is_none)
    if x.is_floating_point():
        return torch.mean(x, dim=dims, keepdim=keep and not added)
    return torch.mean(x.to(torch.float64), dim=dims, keepdim=keep and not added).to(x.dtype)


def lowest(x: Tensor) -> Tensor:
    """The smallest number of a dtype: -inf of floats, False of bools."""
    if x.is_floating_point():
        return torch.full([], float("-inf"), dtype=x.dtype)
    if x.dtype == torch.bool:
        return torch.full([], False, dtype=torch.bool)
    if x.dtype == torch.uint8:
        return torch.full([], 0, dtype=x.dtype)
    bits = 8 * x.element_size()
    return torch.full([], -(1 << (bits - 1)), dtype=torch.int64).to(x.dtype)


def highest(x: Tensor) -> Tensor:
    """The largest number of a dtype: inf of floats, True of bools."""
    if x.is_floating_point():
        return torch.full([], float("inf"), dtype=x.dtype)
    if x.dtype == torch.bool:
        return torch.full([], True, dtype=torch.bool)
    if x.dtype == torch.uint8:
        return torch.full([], 255, dtype=x.dtype)
    return -1 - lowest(x)


def filled(x: Tensor, dims: list[int], keep: bool, value: Tensor) -> Tensor:
    """The result of a reduction with nothing to reduce."""
    shape: list[int] = []
    for axis in range(x.dim()):
        if axis not in dims:
            shape.append(x.size(axis))
        elif keep:
            shape.append(1)
    return value.expand(shape).contiguous()


def largest(x: Tensor, axes: list[int], keep: bool, none_is_none: bool) -> Tensor:
    """Maximum."""
    x, dims, added = prepared(x, axes, none_is_none)
    if empty(x, dims):
        return filled(x, dims, keep and not added, lowest(x))
    return torch.amax(x, dim=dims, keepdim=keep and not added)


def smallest(x: Tensor, axes: list[int], keep: bool, none_is_none: bool) -> Tensor:
    """Minimum."""
    x, dims, added = prepared(x, axes, none_is_none)
    if empty(x, dims):
        return filled(x, dims, keep and not added, highest(x))
    return torch.amin(x, dim=dims, keepdim=keep and not added)


def product(x: Tensor, axes: list[int], keep: bool, none_is_none: bool) -> Tensor:
    """Product."""
    dtype = x.dtype
    x, dims, added = prepared(x, axes, none_is_none)
    for back in range(len(dims)):
        x = torch.prod(x, dim=dims[len(dims) - 1 - back], keepdim=keep and not added, dtype=dtype)
    return x


def l1(x: Tensor, axes: list[int], keep: bool, none_is_none: bool) -> Tensor:
    """Sum of magnitudes."""
    return total(torch.abs(x), axes, keep, none_is_none)


def sum_of_squares(x: Tensor, axes: list[int], keep: bool, none_is_none: bool) -> Tensor:
    """Sum of squares."""
    return total(x * x, axes, keep, none_is_none)


def l2(x: Tensor, axes: list[int], keep: bool, none_is_none: bool) -> Tensor:
    """Root of the sum of squares."""
    squares = sum_of_squares(x, axes, keep, none_is_none)
    return torch.sqrt(squares) if x.is_floating_point() else torch.sqrt(squares.to(torch.float64)).to(x.dtype)


def log_sum(x: Tensor, axes: list[int], keep: bool, none_is_none: bool) -> Tensor:
    """Logarithm of the sum."""
    return torch.log(total(x, axes, keep, none_is_none))


def log_sum_exp(x: Tensor, axes: list[int], keep: bool, none_is_none: bool) -> Tensor:
    """Logarithm of the sum of exponentials."""
    x, dims, added = prepared(x, axes, none_is_none)
    return torch.logsumexp(x, dim=dims, keepdim=keep and not added)


def arg_largest(x: Tensor, axis: int, keep: bool, last: bool) -> Tensor:
    """Index of the maximum; of equal ones the first, or the last."""
    if last:
        return x.size(axis) - 1 - torch.argmax(x.flip([axis]), dim=axis, keepdim=keep)
    return torch.argmax(x, dim=axis, keepdim=keep)


def arg_smallest(x: Tensor, axis: int, keep: bool, last: bool) -> Tensor:
    """Index of the minimum; of equal ones the first, or the last."""
    if last:
        return x.size(axis) - 1 - torch.argmin(x.flip([axis]), dim=axis, keepdim=keep)
    return torch.argmin(x, dim=axis, keepdim=keep)


def flat_softmax(x: Tensor, axis: int, logarithm: bool) -> Tensor:
    """Softmax over all dimensions from `axis` on together, as it was before opset 13."""
    first = axis + x.dim() if axis < 0 else axis
    rows = 1
    for i in range(first):
        rows *= x.size(i)
    flat = x.reshape([rows, -1])
    flat = torch.log_softmax(flat, 1) if logarithm else torch.softmax(flat, 1)
    return flat.reshape(x.shape)


def hardmax(x: Tensor, axis: int) -> Tensor:
    """1 at the first maximum, else 0."""
    return torch.zeros_like(x).scatter(axis, torch.argmax(x, dim=axis, keepdim=True), 1)


def flat_hardmax(x: Tensor, axis: int) -> Tensor:
    """Hardmax over all dimensions from `axis` on together, as it was before opset 13."""
    first = axis + x.dim() if axis < 0 else axis
    rows = 1
    for i in range(first):
        rows *= x.size(i)
    return hardmax(x.reshape([rows, -1]), 1).reshape(x.shape)


def cumulative_sum(x: Tensor, axis: int, exclusive: bool, reverse: bool) -> Tensor:
    """Running sum along an axis."""
    if reverse:
        x = x.flip([axis])
    result = torch.cumsum(x, axis, dtype=x.dtype)
    if exclusive:
        result = result - x
    return result.flip([axis]) if reverse else result
