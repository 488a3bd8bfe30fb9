"""Functions that take or set elements by index."""

import torch
from torch import Tensor

from onnx_to_torchscript.functions.values import positive


def slices(x: Tensor, starts: list[int], ends: list[int], axes: list[int], steps: list[int]) -> Tensor:
    """A part of x along each of `axes`, or of the first dimensions; steps may be negative."""
    for i in range(len(starts)):
        axis = positive(axes[i], x.dim()) if len(axes) > 0 else i
        step = steps[i] if len(steps) > 0 else 1
        extent = x.size(axis)
        start = starts[i] + extent if starts[i] < 0 else starts[i]
        end = ends[i] + extent if ends[i] < 0 else ends[i]
        if step > 0:
            start = min(max(start, 0), extent)
            end = min(max(end, start), extent)
            x = torch.ops.aten.slice(x, axis, start, end, step)
        else:
            start = min(max(start, 0), extent - 1)
            end = min(max(end, -1), start)
            x = x.index_select(axis, torch.arange(start, end, step))
    return x


def wrapped(indices: Tensor, extent: int) -> Tensor:
    """Indices counted from the front, as int64."""
    wide = indices.to(torch.int64)
    return torch.where(wide < 0, wide + extent, wide)


def gather(x: Tensor, indices: Tensor, axis: int) -> Tensor:
    """Entries of x along an axis, in the shape of the indices."""
    axis = positive(axis, x.dim())
    target = x.shape[:axis] + indices.shape + x.shape[axis + 1 :]
    return x.index_select(axis, wrapped(indices, x.size(axis)).reshape([-1])).reshape(target)


def gather_elements(x: Tensor, indices: Tensor, axis: int) -> Tensor:
    """For each index the element of x at that place of an axis, elsewhere at the place of the index."""
    return torch.gather(x, axis, wrapped(indices, x.size(axis)))


def linear(indices: Tensor, extents: list[int]) -> Tensor:
    """Index tuples (the last dimension) into a shape as indices into the flattened shape."""
    flat = torch.zeros(indices.shape[:-1], dtype=torch.int64)
    for i in range(len(extents)):
        flat = flat * extents[i] + wrapped(indices.select(-1, i), extents[i])
    return flat


def gather_nd(x: Tensor, indices: Tensor, batch_dims: int) -> Tensor:
    """Slices of x at index tuples, batch by batch."""
    depth = indices.size(-1)
    count = 1
    for extent in x.shape[:batch_dims]:
        count *= extent
    inner = list(x.shape[batch_dims : batch_dims + depth])
    rest = x.shape[batch_dims + depth :]
    places = 1
    for extent in inner:
        places *= extent
    width = 1
    for extent in rest:
        width *= extent
    flat = linear(indices, inner).reshape([count, -1])
    flat = (flat + torch.arange(count).unsqueeze(1) * places).reshape([-1])
    picked = x.reshape([count * places, width]).index_select(0, flat)
    return picked.reshape(indices.shape[:-1] + rest)


def combine(x: Tensor, axis: int, places: Tensor, updates: Tensor, reduction: str) -> Tensor:
    """The input with updates at places of an axis: set, added, multiplied, or the smaller or larger of the two."""
    if reduction == "none":
        return x.scatter(axis, places, updates)
    if reduction == "add":
        return x.scatter_reduce(axis, places, updates, "sum")
    if reduction == "mul":
        return x.scatter_reduce(axis, places, updates, "prod")
    if reduction == "max":
        return x.scatter_reduce(axis, places, updates, "amax")
    return x.scatter_reduce(axis, places, updates, "amin")


def scatter_elements(x: Tensor, indices: Tensor, updates: Tensor, axis: int, reduction: str) -> Tensor:
    """The input with the update of each index at that place of an axis, elsewhere at the place of the index."""
    return combine(x, axis, wrapped(indices, x.size(axis)), updates, reduction)


def scatter_nd(x: Tensor, indices: Tensor, updates: Tensor, reduction: str) -> Tensor:
    """The input with slices put at the places of index tuples."""
    depth = indices.size(-1)
    places = 1
    for extent in x.shape[:depth]:
        places *= extent
    width = 1
    for extent in x.shape[depth:]:
        width *= extent
    flat = linear(indices, list(x.shape[:depth])).reshape([-1, 1]).expand([-1, width])
    result = combine(x.reshape([places, width]), 0, flat, updates.reshape([-1, width]), reduction)
    return result.reshape(x.shape)


def one_hot(indices: Tensor, depth: Tensor, values: Tensor, axis: int) -> Tensor:
    """values[1] at each index along a new axis, elsewhere values[0]."""
    count = int(depth)
    axis = positive(axis, indices.dim() + 1)
    shape = [1] * (indices.dim() + 1)
    shape[axis] = count
    wide = indices.to(torch.int64)
    wide = torch.where(wide < 0, wide + count, wide)
    hot = wide.unsqueeze(axis) == torch.arange(count).reshape(shape)
    return torch.where(hot, values[1], values[0])


def top(x: Tensor, k: Tensor, axis: int, largest: bool) -> tuple[Tensor, Tensor]:
    """The k largest or smallest numbers along an axis, in order; of equal ones the first."""
    values, places = torch.sort(x, dim=axis, descending=largest, stable=True)
    return values.narrow(axis, 0, int(k)), places.narrow(axis, 0, int(k))


def nonzero(x: Tensor) -> Tensor:
    """The index tuples of elements that are not 0, a row each dimension."""
    return torch.nonzero(x).t()


def compress(x: Tensor, condition: Tensor, axis: int | None) -> Tensor:
    """The entries along an axis, or of x flattened, for which the condition holds."""
    places = torch.nonzero(condition.reshape([-1])).reshape([-1])
    if axis is None:
        return x.reshape([-1]).index_select(0, places)
    return x.index_select(axis, places)


def reverse_sequence(x: Tensor, lengths: Tensor, batch_axis: int, time_axis: int) -> Tensor:
    """The first `lengths` steps of each sample in reverse."""
    shape = [1] * x.dim()
    shape[time_axis] = -1
    steps = torch.arange(x.size(time_axis)).reshape(shape)
    shape[time_axis] = 1
    shape[batch_axis] = -1
    ends = lengths.to(torch.int64).reshape(shape)
    places = torch.where(steps < ends, ends - 1 - steps, steps)
    return torch.gather(x, time_axis, places.expand(x.shape))
