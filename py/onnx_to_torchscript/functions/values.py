"""Conversion between tensors and lists of integers."""

import torch
from torch import Tensor


def ints(tensor: Tensor) -> list[int]:
    """The elements of a tensor of integers."""
    result: list[int] = tensor.reshape(-1).to(torch.int64).tolist()
    return result


def no_ints() -> list[int]:
    """An empty list of integers."""
    result: list[int] = []
    return result


def no_tensors() -> list[Tensor]:
    """An empty list of tensors."""
    result: list[Tensor] = []
    return result


def positive(axis: int, rank: int) -> int:
    """An axis counted from the front."""
    return axis + rank if axis < 0 else axis


def sorted_axes(axes: list[int], rank: int) -> list[int]:
    """Axes counted from the front, in ascending order, each once."""
    given = [positive(axis, rank) for axis in axes]
    result: list[int] = []
    for axis in range(rank):
        if axis in given:
            result.append(axis)
    return result


def is_float(tensor: Tensor) -> bool:
    """True if the elements are floating point numbers."""
    return tensor.is_floating_point()
