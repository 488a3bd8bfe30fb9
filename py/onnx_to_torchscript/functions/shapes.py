"""Functions that read shapes, or change only shapes."""

import torch
from torch import Tensor

from onnx_to_torchscript.functions.values import ints, positive, sorted_axes


def shape(x: Tensor, start: int, end: int | None) -> Tensor:
    """The extents of x from `start` to before `end`, as int64."""
    extents = torch._shape_as_tensor(x)
    return extents[start:] if end is None else extents[start:end]


def size(x: Tensor) -> Tensor:
    """The number of elements, as int64."""
    return torch.tensor(x.numel())


def reshape(x: Tensor, wanted: list[int], zero_is_zero: bool) -> Tensor:
    """The input in another shape: 0 keeps the extent unless `zero_is_zero`, and -1 takes the remaining elements."""
    target: list[int] = []
    known = 1
    for i, extent in enumerate(wanted):
        if extent == 0 and not zero_is_zero:
            extent = x.size(i)
        target.append(extent)
        if extent != -1:
            known *= extent
    if known != 0:
        return x.reshape(target)
    return x.reshape([0 if extent == -1 else extent for extent in target])  # x has no elements: none remain for -1


def flatten(x: Tensor, axis: int) -> Tensor:
    """The input as a matrix: the dimensions before `axis`, and the others."""
    rows = 1
    for extent in x.shape[: positive(axis, x.dim())]:
        rows *= extent
    columns = 1
    for extent in x.shape[positive(axis, x.dim()) :]:
        columns *= extent
    return x.reshape([rows, columns])


def transpose(x: Tensor, order: list[int]) -> Tensor:
    """The input with its dimensions in another order; reversed if no order is given."""
    if len(order) == 0:
        order = [x.dim() - 1 - i for i in range(x.dim())]
    return x.permute(order)


def squeeze(x: Tensor, axes: list[int]) -> Tensor:
    """The input without its dimensions of extent 1: only those of `axes`, whose extent must be 1, or all."""
    if len(axes) == 0:
        return x.squeeze()
    removed = sorted_axes(axes, x.dim())
    for back in range(len(removed)):
        axis = removed[len(removed) - 1 - back]
        if x.size(axis) != 1:
            raise RuntimeError("Squeeze: an axis has an extent other than 1")
        x = x.squeeze(axis)
    return x


def unsqueeze(x: Tensor, axes: list[int]) -> Tensor:
    """The input with more dimensions of extent 1; `axes` are their places in the result."""
    for axis in sorted_axes(axes, x.dim() + len(axes)):
        x = x.unsqueeze(axis)
    return x


def expand(x: Tensor, wanted: list[int]) -> Tensor:
    """The input broadcast with a shape; either of the two may have the larger extent."""
    rank = max(x.dim(), len(wanted))
    target: list[int] = []
    for i in range(rank):
        here = i - (rank - x.dim())
        there = i - (rank - len(wanted))
        extent = x.size(here) if here >= 0 else 1
        if there >= 0 and wanted[there] != 1:
            if extent != 1 and extent != wanted[there]:
                raise RuntimeError("Expand: the shapes cannot be broadcast")
            extent = wanted[there]
        target.append(extent)
    return x.expand(target)


def split(x: Tensor, sizes: list[int], axis: int) -> list[Tensor]:
    """The input cut along an axis into parts of these extents."""
    return list(torch.split_with_sizes(x, sizes, axis))


def split_evenly(x: Tensor, count: int, axis: int) -> list[Tensor]:
    """`count` parts of the same extent, the last of which may be smaller."""
    extent = x.size(axis)
    step = (extent + count - 1) // count
    sizes = [max(min(step, extent - i * step), 0) for i in range(count)]
    return list(torch.split_with_sizes(x, sizes, axis))


def constant_of_shape(extents: Tensor, value: Tensor) -> Tensor:
    """A tensor of one number everywhere."""
    return value.reshape([]).expand(ints(extents)).contiguous()


def arange(start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    """The numbers from start to before limit."""
    if start.is_floating_point():
        first = float(start)
        step = float(delta)
        count = max(int(torch.ceil(torch.tensor((float(limit) - first) / step, dtype=torch.float64))), 0)
        return (first + torch.arange(count, dtype=torch.float64) * step).to(start.dtype)
    if (int(limit) - int(start)) * int(delta) <= 0:
        return torch.zeros([0], dtype=start.dtype)
    return torch.arange(int(start), int(limit), int(delta)).to(start.dtype)


def pad_reflecting(x: Tensor, axis: int, before: int, after: int, mode: str) -> Tensor:
    """The input padded along an axis with its edge, its mirror image or its repetition."""
    extent = x.size(axis)
    places = torch.arange(-before, extent + after)
    if mode == "edge":
        places = places.clamp(0, extent - 1)
    elif mode == "wrap":
        places = places.remainder(extent)
    else:
        period = max(2 * extent - 2, 1)
        places = places.remainder(period)
        places = torch.minimum(places, (period - places).abs())
    return x.index_select(axis, places)


def pad(x: Tensor, pads: list[int], axes: list[int], mode: str, value: Tensor | None) -> Tensor:
    """The input padded by `pads`: all begins, then all ends, of `axes` or of all axes. Negative pads cut."""
    rank = x.dim()
    count = len(pads) // 2
    before = [0] * rank
    after = [0] * rank
    for i in range(count):
        axis = positive(axes[i], rank) if len(axes) > 0 else i
        before[axis] = pads[i]
        after[axis] = pads[count + i]
    for axis in range(rank):  # first the cuts
        start = max(-before[axis], 0)
        length = x.size(axis) - start - max(-after[axis], 0)
        if length != x.size(axis):
            x = x.narrow(axis, start, length)
    if mode != "constant":
        for axis in range(rank):
            if before[axis] > 0 or after[axis] > 0:
                x = pad_reflecting(x, axis, max(before[axis], 0), max(after[axis], 0), mode)
        return x
    for axis in range(rank):
        if before[axis] > 0 or after[axis] > 0:
            fill = torch.zeros([], dtype=x.dtype) if value is None else value.reshape([])
            x = pad_with(x, axis, max(before[axis], 0), max(after[axis], 0), fill)
    return x


def pad_with(x: Tensor, axis: int, before: int, after: int, fill: Tensor) -> Tensor:
    """The input with one number before and after it along an axis; of any dtype."""
    extents = list(x.shape)
    extents[axis] = before
    head = fill.expand(extents)
    extents[axis] = after
    return torch.cat([head, x, fill.expand(extents)], axis)


def depth_to_space(x: Tensor, block: int, depth_first: bool) -> Tensor:
    """The input with blocks of channels turned into squares of pixels."""
    batch, channels, height, width = x.shape
    inner = channels // (block * block)
    if depth_first:
        parts = x.reshape([batch, block, block, inner, height, width]).permute([0, 3, 4, 1, 5, 2])
    else:
        parts = x.reshape([batch, inner, block, block, height, width]).permute([0, 1, 4, 2, 5, 3])
    return parts.reshape([batch, inner, height * block, width * block])


def space_to_depth(x: Tensor, block: int) -> Tensor:
    """The input with squares of pixels turned into blocks of channels."""
    batch, channels, height, width = x.shape
    parts = x.reshape([batch, channels, height // block, block, width // block, block]).permute([0, 3, 5, 1, 2, 4])
    return parts.reshape([batch, channels * block * block, height // block, width // block])


def identity_like(x: Tensor, k: int, dtype: torch.dtype) -> Tensor:
    """A matrix of the shape of x with ones on the k-th diagonal, else zeros."""
    rows = torch.arange(x.size(0)).unsqueeze(1)
    columns = torch.arange(x.size(1)).unsqueeze(0)
    return (columns - rows == k).to(dtype)


def triangle(x: Tensor, k: int, upper: bool) -> Tensor:
    """The part of matrices above, or below, the k-th diagonal, the diagonal included; elsewhere 0."""
    rows = torch.arange(x.size(-2)).unsqueeze(1)
    columns = torch.arange(x.size(-1)).unsqueeze(0)
    kept = columns - rows >= k if upper else columns - rows <= k
    return torch.where(kept, x, torch.zeros_like(x))
