"""Resampling of a grid, one axis at a time."""

from typing import NamedTuple

import torch
from torch import Tensor

from onnx_to_torchscript.functions.values import positive


class Resampling(NamedTuple):
    """ONNX's attributes of a resize, but for its sizes.

    Attributes:
        mode: ``nearest``, ``linear`` or ``cubic``.
        transformation: The way from a place of the result to one of the source.
        nearest_mode: The place that ``nearest`` takes.
        cubic_a: The coefficient of ``cubic``.
        exclude_outside: True if places outside of the source have no weight.
        antialias: True if a result that is smaller is made of all places.
        extrapolation: The value outside of the source, for ``tf_crop_and_resize``.
    """

    mode: str
    transformation: str
    nearest_mode: str
    cubic_a: float
    exclude_outside: bool
    antialias: bool
    extrapolation: float


def coordinates(count: int, extent: int, scale: float, transformation: str, begin: float, end: float) -> Tensor:
    """The place in the source, which has `extent` places, of each of the `count` places of the result."""
    places = torch.arange(count, dtype=torch.float64)
    length = extent * scale  # of the result, before it was rounded
    if transformation == "align_corners":
        return torch.zeros_like(places) if count == 1 else places * (extent - 1) / (count - 1)
    if transformation == "asymmetric":
        return places / scale
    if transformation == "pytorch_half_pixel" and count == 1:
        return torch.zeros_like(places)
    if transformation == "tf_crop_and_resize":
        if count == 1:
            return torch.zeros_like(places) + 0.5 * (begin + end) * (extent - 1)
        return begin * (extent - 1) + places * (end - begin) * (extent - 1) / (count - 1)
    if transformation == "half_pixel_symmetric":
        centre = extent / 2.0
        offset = centre * (1.0 - count / length)
        return offset + (places + 0.5) / scale - 0.5
    return (places + 0.5) / scale - 0.5  # half_pixel


def nearest(where: Tensor, mode: str) -> Tensor:
    """The whole place for each coordinate."""
    if mode == "floor":
        return torch.floor(where)
    if mode == "ceil":
        return torch.ceil(where)
    if mode == "round_prefer_ceil":
        return torch.floor(where + 0.5)
    return torch.ceil(where - 0.5)  # round_prefer_floor


def triangle(distance: Tensor) -> Tensor:
    """The weight of a place at a distance in linear interpolation."""
    return torch.clamp(1.0 - torch.abs(distance), min=0.0)


def bicubic(distance: Tensor, a: float) -> Tensor:
    """The weight of a place at a distance in cubic interpolation."""
    d = torch.abs(distance)
    near = ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
    far = ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a
    return torch.where(d <= 1.0, near, torch.where(d < 2.0, far, torch.zeros_like(d)))


def taps(where: Tensor, extent: int, scale: float, way: Resampling) -> tuple[Tensor, Tensor]:
    """The places of the source that each place of the result is made of, and their weights: [count, k] both."""
    reach = 1.0 if way.mode == "linear" else 2.0
    stretch = 1.0 / scale if way.antialias and scale < 1.0 else 1.0
    half = int(torch.ceil(torch.tensor(reach * stretch, dtype=torch.float32)))
    first = torch.floor(where) - (half - 1)
    places = first.unsqueeze(1) + torch.arange(2 * half, dtype=torch.float64)
    distance = (places - where.unsqueeze(1)) / stretch
    weights = triangle(distance) if way.mode == "linear" else bicubic(distance, way.cubic_a)
    if way.exclude_outside:
        weights = torch.where((places >= 0) & (places < extent), weights, torch.zeros_like(weights))
    weights = weights / weights.sum(1, keepdim=True)
    return places.clamp(0, extent - 1).to(torch.int64), weights


def resize_axis(
    x: Tensor,
    axis: int,
    count: int,
    scale: float,
    way: Resampling,
    begin: float,
    end: float,
) -> Tensor:
    """The input with `count` places along one axis."""
    extent = x.size(axis)
    where = coordinates(count, extent, scale, way.transformation, begin, end)
    if way.mode == "nearest":
        places = nearest(where, way.nearest_mode).clamp(0, extent - 1).to(torch.int64)
        result = x.index_select(axis, places)
    else:
        indices, weights = taps(where, extent, scale, way)
        shape = [1] * x.dim()
        shape[axis] = count
        factors = weights.to(x.dtype if x.is_floating_point() else torch.float32)
        result = x.index_select(axis, indices.select(1, 0)) * factors.select(1, 0).reshape(shape)
        for k in range(1, indices.size(1)):
            result = result + x.index_select(axis, indices.select(1, k)) * factors.select(1, k).reshape(shape)
    if way.transformation == "tf_crop_and_resize":
        outside = (where < 0) | (where > extent - 1)
        shape = [1] * x.dim()
        shape[axis] = count
        fill = torch.full([], way.extrapolation, dtype=result.dtype)
        result = torch.where(outside.reshape(shape), fill, result)
    return result


def whole(value: float) -> int:
    """The floor of a number, as an integer."""
    return int(torch.floor(torch.tensor(value, dtype=torch.float64)))


def targets(
    x: Tensor, axes: list[int], scales: Tensor | None, sizes: list[int], policy: str
) -> tuple[list[int], list[float]]:
    """The extent of each of `axes` in the result, and its scale."""
    counts: list[int] = []
    factors: list[float] = []
    if scales is not None:
        for i, axis in enumerate(axes):
            factor = float(scales[i])
            factors.append(factor)
            counts.append(whole(x.size(axis) * factor))
        return counts, factors
    for i, axis in enumerate(axes):
        factors.append(sizes[i] / x.size(axis))
    if policy == "stretch":
        return sizes, factors
    factor = factors[0]
    for other in factors:
        factor = min(factor, other) if policy == "not_larger" else max(factor, other)
    for axis in axes:
        counts.append(whole(x.size(axis) * factor + 0.5))
    return counts, [factor for _ in axes]


def resize(
    x: Tensor,
    roi: Tensor | None,
    scales: Tensor | None,
    sizes: list[int],
    axes: list[int],
    way: Resampling,
    policy: str,
) -> Tensor:
    """The input resampled to scales or sizes along `axes`, or along all dimensions."""
    if len(axes) == 0:
        axes = [axis for axis in range(x.dim())]  # noqa: C416
    axes = [positive(axis, x.dim()) for axis in axes]
    counts, factors = targets(x, axes, scales, sizes, policy)
    dtype = x.dtype
    for i, axis in enumerate(axes):
        begin, end = 0.0, 1.0
        if roi is not None and roi.numel() > 0:
            begin, end = float(roi[i]), float(roi[len(axes) + i])
        if counts[i] != x.size(axis) or factors[i] != 1.0 or begin != 0.0 or end != 1.0:
            x = resize_axis(x, axis, counts[i], factors[i], way, begin, end)
    return x if x.dtype == dtype else torch.round(x).to(dtype)
