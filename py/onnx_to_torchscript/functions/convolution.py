"""Convolutions of any number of spatial dimensions."""

from typing import NamedTuple

import torch
from torch import Tensor


class Geometry(NamedTuple):
    """ONNX's attributes of a convolution or pooling, each with a number for every spatial dimension, or empty.

    Attributes:
        auto_pad: ``NOTSET``, ``VALID``, ``SAME_UPPER`` or ``SAME_LOWER``.
        pads: All begins, then all ends; used if `auto_pad` is ``NOTSET``.
        strides: Steps from a window to the next; empty for ones.
        dilations: Steps within a window; empty for ones.
    """

    auto_pad: str
    pads: list[int]
    strides: list[int]
    dilations: list[int]


def or_ones(values: list[int], count: int) -> list[int]:
    """`values`, or ones if there are none."""
    return values if len(values) > 0 else [1] * count


def halves(total: int, auto_pad: str) -> tuple[int, int]:
    """A padding or cut as begin and end; the odd one is where `auto_pad` says, at the begin if it does not."""
    before = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
    return before, total - before


def paddings(
    geometry: Geometry, size: list[int], kernel: list[int], stride: list[int], dilation: list[int]
) -> list[int]:
    """The padding of each spatial dimension: all begins, then all ends."""
    auto_pad, given, rank = geometry.auto_pad, geometry.pads, len(size)
    begins: list[int] = []
    ends: list[int] = []
    for i in range(rank):
        before, after = 0, 0
        if auto_pad == "NOTSET" and len(given) > 0:
            before, after = given[i], given[rank + i]
        if auto_pad == "SAME_UPPER" or auto_pad == "SAME_LOWER":
            outputs = (size[i] + stride[i] - 1) // stride[i]
            total = max((outputs - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 - size[i], 0)
            before, after = halves(total, auto_pad)
        begins.append(before)
        ends.append(after)
    return begins + ends


def pad_spatial(x: Tensor, around: list[int], value: float) -> Tensor:
    """The input with `around` (all begins, then all ends) put around its last dimensions; negative numbers cut."""
    rank = len(around) // 2
    order: list[int] = []
    nothing = True
    for back in range(rank):
        i = rank - 1 - back
        order.append(around[i])
        order.append(around[rank + i])
        nothing = nothing and around[i] == 0 and around[rank + i] == 0
    return x if nothing else torch.constant_pad_nd(x, order, value)


def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
    groups: int,
) -> Tensor:
    """Convolution."""
    rank = x.dim() - 2
    stride = or_ones(geometry.strides, rank)
    dilation = or_ones(geometry.dilations, rank)
    around = paddings(geometry, list(x.shape[2:]), list(weight.shape[2:]), stride, dilation)
    padding = around[:rank]
    if around[rank:] != padding:
        x = pad_spatial(x, around, 0.0)
        padding = [0] * rank
    return torch.convolution(x, weight, bias, stride, padding, dilation, False, [0] * rank, groups)


def conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
    groups: int,
    output_paddings: list[int],
    output_shape: list[int],
) -> Tensor:
    """Transposed convolution: computed without padding, then cut by the paddings."""
    rank = x.dim() - 2
    auto_pad, given = geometry.auto_pad, geometry.pads
    stride = or_ones(geometry.strides, rank)
    dilation = or_ones(geometry.dilations, rank)
    extra = output_paddings if len(output_paddings) > 0 else [0] * rank
    kernel = list(weight.shape[2:])
    begins: list[int] = []
    ends: list[int] = []
    for i in range(rank):
        full = (x.size(2 + i) - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 + extra[i]
        before, after = 0, 0
        if len(output_shape) > 0 or auto_pad == "SAME_UPPER" or auto_pad == "SAME_LOWER":
            wanted = x.size(2 + i) * stride[i]
            if len(output_shape) > 0:
                wanted = output_shape[len(output_shape) - rank + i]
            before, after = halves(full - wanted, auto_pad)
        elif auto_pad == "NOTSET" and len(given) > 0:
            before, after = given[i], given[rank + i]
        begins.append(before)
        ends.append(after)
    if begins == ends and min(begins) >= 0 and extra == [0] * rank:
        return torch.convolution(x, weight, bias, stride, begins, dilation, True, extra, groups)
    whole = torch.convolution(x, weight, bias, stride, [0] * rank, dilation, True, [0] * rank, groups)
    around = [-begins[i] for i in range(rank)] + [extra[i] - ends[i] for i in range(rank)]
    if bias is None or max(around) <= 0:
        return pad_spatial(whole, around, 0.0)
    # Elements beyond the last input have the bias only.
    shape = [1, -1] + [1] * rank
    return pad_spatial(whole - bias.reshape(shape), around, 0.0) + bias.reshape(shape)


def integer_conv(
    x: Tensor,
    weight: Tensor,
    x_zero: Tensor | None,
    weight_zero: Tensor | None,
    geometry: Geometry,
    groups: int,
) -> Tensor:
    """Convolution of integers less their zero points, exact as long as sums fit the 53 bits of a double."""
    wide_x = x.to(torch.float64)
    if x_zero is not None:
        wide_x = wide_x - x_zero.to(torch.float64)
    wide_weight = weight.to(torch.float64)
    if weight_zero is not None:
        shape = [-1] + [1] * (weight.dim() - 1)
        wide_weight = wide_weight - weight_zero.to(torch.float64).reshape(shape)
    result = conv(wide_x, wide_weight, None, geometry, groups)
    return torch.round(result).to(torch.int32)
