"""Pooling over windows of any number of spatial dimensions."""

import torch
from torch import Tensor

from onnx_to_torchscript.functions.convolution import or_ones, pad_spatial, pads


def excess(
    size: list[int], around: list[int], kernel: list[int], stride: list[int], dilation: list[int], ceil: bool
) -> list[int]:
    """The extra padding at the ends of the spatial dimensions that makes the last windows whole."""
    rank = len(size)
    result: list[int] = []
    for i in range(rank):
        window = dilation[i] * (kernel[i] - 1) + 1
        room = size[i] + around[i] + around[rank + i] - window
        more = 0
        if ceil:
            outputs = (room + stride[i] - 1) // stride[i] + 1
            if (outputs - 1) * stride[i] >= size[i] + around[i]:  # a window must begin inside
                outputs -= 1
            more = max((outputs - 1) * stride[i] - room, 0)
        result.append(more)
    return result


def grown(around: list[int], more: list[int]) -> list[int]:
    """Paddings with more at the ends."""
    rank = len(more)
    return around[:rank] + [around[rank + i] + more[i] for i in range(rank)]


def max_windows(x: Tensor, kernel: list[int], stride: list[int], dilation: list[int]) -> tuple[Tensor, Tensor]:
    """The largest number of each window, and its place in the spatial dimensions, flattened."""
    zeros = [0] * len(kernel)
    if len(kernel) == 1:
        return torch.max_pool1d_with_indices(x, kernel, stride, zeros, dilation)
    if len(kernel) == 2:
        return torch.nn.functional.max_pool2d_with_indices(x, kernel, stride, zeros, dilation)
    return torch.nn.functional.max_pool3d_with_indices(x, kernel, stride, zeros, dilation)


def max_only(x: Tensor, kernel: list[int], stride: list[int], dilation: list[int]) -> Tensor:
    """The largest number of each window."""
    zeros = [0] * len(kernel)
    if len(kernel) == 1:
        return torch.max_pool1d(x, kernel, stride, zeros, dilation)
    if len(kernel) == 2:
        return torch.max_pool2d(x, kernel, stride, zeros, dilation)
    return torch.max_pool3d(x, kernel, stride, zeros, dilation)


def max_padded(
    x: Tensor,
    kernel: list[int],
    auto_pad: str,
    given: list[int],
    strides: list[int],
    dilations: list[int],
    ceil: bool,
) -> tuple[Tensor, list[int]]:
    """The input with its paddings, and these."""
    rank = len(kernel)
    stride = or_ones(strides, rank)
    dilation = or_ones(dilations, rank)
    size = list(x.shape[2:])
    around = pads(auto_pad, given, size, kernel, stride, dilation)
    around = grown(around, excess(size, around, kernel, stride, dilation, ceil))
    return pad_spatial(x, around, float("-inf")), around


def max_pool(
    x: Tensor,
    kernel: list[int],
    auto_pad: str,
    given: list[int],
    strides: list[int],
    dilations: list[int],
    ceil: bool,
) -> Tensor:
    """Max pooling. Integers go by float32, which has room for those of a byte, the only ones that ONNX allows."""
    rank = len(kernel)
    number = x if x.is_floating_point() else x.to(torch.float32)
    padded, _ = max_padded(number, kernel, auto_pad, given, strides, dilations, ceil)
    return max_only(padded, kernel, or_ones(strides, rank), or_ones(dilations, rank)).to(x.dtype)


def max_pool_indices(
    x: Tensor,
    kernel: list[int],
    auto_pad: str,
    given: list[int],
    strides: list[int],
    dilations: list[int],
    ceil: bool,
    column_major: bool,
) -> tuple[Tensor, Tensor]:
    """Max pooling, and for each result the place that it is from, in all of x flattened."""
    rank = len(kernel)
    number = x if x.is_floating_point() else x.to(torch.float32)
    padded, around = max_padded(number, kernel, auto_pad, given, strides, dilations, ceil)
    largest, places = max_windows(padded, kernel, or_ones(strides, rank), or_ones(dilations, rank))
    flat = torch.zeros_like(places)
    factor = 1
    for step in range(rank):
        axis = rank - 1 - step
        extent = padded.size(2 + axis)
        coordinate = places % extent - around[axis]
        places = torch.div(places, extent, rounding_mode="floor")
        if column_major:
            inner = 1
            for before in range(axis):
                inner *= x.size(2 + before)
            flat = flat + coordinate * inner
        else:
            flat = flat + coordinate * factor
        factor *= x.size(2 + axis)
    planes = torch.arange(x.size(0) * x.size(1)).reshape([x.size(0), x.size(1)] + [1] * rank)
    return largest.to(x.dtype), flat + planes * factor


def average_only(x: Tensor, kernel: list[int], stride: list[int]) -> Tensor:
    """The mean of each window."""
    zeros = [0] * len(kernel)
    if len(kernel) == 1:
        return torch.nn.functional.avg_pool1d(x, kernel, stride, zeros, False, True)
    if len(kernel) == 2:
        return torch.nn.functional.avg_pool2d(x, kernel, stride, zeros, False, True)
    return torch.nn.functional.avg_pool3d(x, kernel, stride, zeros, False, True)


def average_dilated(x: Tensor, kernel: list[int], stride: list[int], dilation: list[int]) -> Tensor:
    """The mean of each window whose places are `dilation` apart."""
    for i in range(len(kernel)):
        if kernel[i] > 1 or stride[i] > 1:
            window = dilation[i] * (kernel[i] - 1) + 1
            windows = x.unfold(2 + i, window, stride[i])
            x = torch.ops.aten.slice(windows, windows.dim() - 1, 0, window, dilation[i]).mean(-1)
    return x


def average_pool(
    x: Tensor,
    kernel: list[int],
    auto_pad: str,
    given: list[int],
    strides: list[int],
    dilations: list[int],
    ceil: bool,
    count_padding: bool,
) -> Tensor:
    """Average pooling; the padding counts if asked, and what the last windows need beyond it never counts."""
    rank = len(kernel)
    stride = or_ones(strides, rank)
    dilation = or_ones(dilations, rank)
    size = list(x.shape[2:])
    around = pads(auto_pad, given, size, kernel, stride, dilation)
    more = excess(size, around, kernel, stride, dilation, ceil)
    dense = max(dilation) == 1
    all_around = grown(around, more)
    padded = pad_spatial(x, all_around, 0.0)
    mean = average_only(padded, kernel, stride) if dense else average_dilated(padded, kernel, stride, dilation)
    if max(all_around) == 0 or (count_padding and max(more) == 0):
        return mean
    counted = pad_spatial(torch.ones([1, 1] + size, dtype=x.dtype), around, 1.0 if count_padding else 0.0)  # noqa: RUF005
    counted = pad_spatial(counted, [0] * rank + more, 0.0)
    share = average_only(counted, kernel, stride) if dense else average_dilated(counted, kernel, stride, dilation)
    return mean / share


def lp_pool(
    x: Tensor,
    kernel: list[int],
    auto_pad: str,
    given: list[int],
    strides: list[int],
    dilations: list[int],
    ceil: bool,
    p: int,
) -> Tensor:
    """The p-norm of each window."""
    count = 1
    for extent in kernel:
        count *= extent
    powers = torch.pow(torch.abs(x), p)
    mean = average_pool_zeros(powers, kernel, auto_pad, given, strides, dilations, ceil)
    return torch.pow(mean * count, 1.0 / p)


def average_pool_zeros(
    x: Tensor,
    kernel: list[int],
    auto_pad: str,
    given: list[int],
    strides: list[int],
    dilations: list[int],
    ceil: bool,
) -> Tensor:
    """Average pooling in which all that is added around counts as zeros."""
    rank = len(kernel)
    stride = or_ones(strides, rank)
    dilation = or_ones(dilations, rank)
    size = list(x.shape[2:])
    around = pads(auto_pad, given, size, kernel, stride, dilation)
    padded = pad_spatial(x, grown(around, excess(size, around, kernel, stride, dilation, ceil)), 0.0)
    return average_dilated(padded, kernel, stride, dilation)


def spatial(x: Tensor) -> list[int]:
    """The spatial dimensions of x."""
    return [axis for axis in range(2, x.dim())]  # noqa: C416


def global_average(x: Tensor) -> Tensor:
    """The mean over all spatial dimensions."""
    return torch.mean(x, dim=spatial(x), keepdim=True)


def global_max(x: Tensor) -> Tensor:
    """The largest number over all spatial dimensions."""
    return torch.amax(x, dim=spatial(x), keepdim=True)


def global_lp(x: Tensor, p: int) -> Tensor:
    """The p-norm over all spatial dimensions."""
    return torch.pow(torch.sum(torch.pow(torch.abs(x), p), dim=spatial(x), keepdim=True), 1.0 / p)
