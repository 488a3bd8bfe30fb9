"""Pooling over windows of any number of spatial dimensions."""

from typing import NamedTuple

import torch
from torch import Tensor

from onnx_to_torchscript.functions.convolution import Geometry, or_ones, pad_spatial, paddings


class Windows(NamedTuple):
    """The places of a pooling's windows.

    Attributes:
        stride: Steps from a window to the next.
        dilation: Steps within a window.
        around: The paddings that were asked for: all begins, then all ends.
        more: The paddings beyond them that the last windows need at each end.
        all_around: Both together.
    """

    stride: list[int]
    dilation: list[int]
    around: list[int]
    more: list[int]
    all_around: list[int]


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


def windows_of(x: Tensor, kernel: list[int], geometry: Geometry, ceil: bool) -> Windows:
    """The windows over the input; with `ceil` the last ones may reach beyond it."""
    rank = len(kernel)
    stride = or_ones(geometry.strides, rank)
    dilation = or_ones(geometry.dilations, rank)
    size = list(x.shape[2:])
    around = paddings(geometry, size, kernel, stride, dilation)
    more = excess(size, around, kernel, stride, dilation, ceil)
    all_around = around[:rank] + [around[rank + i] + more[i] for i in range(rank)]
    return Windows(stride, dilation, around, more, all_around)


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


def max_pool(x: Tensor, kernel: list[int], geometry: Geometry, ceil: bool) -> Tensor:
    """Max pooling. Integers go by float32, which has room for those of a byte, the only ones that ONNX allows."""
    windows = windows_of(x, kernel, geometry, ceil)
    number = x if x.is_floating_point() else x.to(torch.float32)
    padded = pad_spatial(number, windows.all_around, float("-inf"))
    return max_only(padded, kernel, windows.stride, windows.dilation).to(x.dtype)


def max_pool_indices(
    x: Tensor, kernel: list[int], geometry: Geometry, ceil: bool, column_major: bool
) -> tuple[Tensor, Tensor]:
    """Max pooling, and for each result the place that it is from, in all of x flattened."""
    rank = len(kernel)
    windows = windows_of(x, kernel, geometry, ceil)
    number = x if x.is_floating_point() else x.to(torch.float32)
    padded = pad_spatial(number, windows.all_around, float("-inf"))
    largest, places = max_windows(padded, kernel, windows.stride, windows.dilation)
    flat = torch.zeros_like(places)
    factor = 1
    for step in range(rank):
        axis = rank - 1 - step
        extent = padded.size(2 + axis)
        coordinate = places % extent - windows.around[axis]
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


def average(x: Tensor, kernel: list[int], stride: list[int], dilation: list[int]) -> Tensor:
    """The mean of each window."""
    return average_only(x, kernel, stride) if max(dilation) == 1 else average_dilated(x, kernel, stride, dilation)


def average_pool(x: Tensor, kernel: list[int], geometry: Geometry, ceil: bool, count_padding: bool) -> Tensor:
    """Average pooling; the padding counts if asked, what the last windows need beyond it never does."""
    windows = windows_of(x, kernel, geometry, ceil)
    around, more = windows.around, windows.more
    mean = average(pad_spatial(x, windows.all_around, 0.0), kernel, windows.stride, windows.dilation)
    if max(windows.all_around) == 0 or (count_padding and max(more) == 0):
        return mean
    ones = torch.ones([1, 1] + list(x.shape[2:]), dtype=x.dtype)  # noqa: RUF005
    counted = pad_spatial(ones, around, 1.0 if count_padding else 0.0)
    counted = pad_spatial(counted, [0] * len(kernel) + more, 0.0)
    return mean / average(counted, kernel, windows.stride, windows.dilation)


def lp_pool(x: Tensor, kernel: list[int], geometry: Geometry, ceil: bool, p: int) -> Tensor:
    """The p-norm of each window; all that is added around counts as zeros."""
    count = 1
    for extent in kernel:
        count *= extent
    windows = windows_of(x, kernel, geometry, ceil)
    powers = pad_spatial(torch.pow(torch.abs(x), p), windows.all_around, 0.0)
    return torch.pow(average_dilated(powers, kernel, windows.stride, windows.dilation) * count, 1.0 / p)


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
