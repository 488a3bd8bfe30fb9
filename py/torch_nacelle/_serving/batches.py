"""Batches of rows, split into the sizes that a program takes.

A row is an entry of the first dimension. A batch of any number of rows becomes pieces, one for each call:

    21 rows, sizes 1..8    8 + 8 + 5
    9 rows, sizes 3..8     5 + 4            no piece of 1: the pieces are made more even
    5 rows, sizes 8..8     5 + 3 copies     padded, since no split fits; the results of the copies are dropped
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from torch_nacelle._runtime.input import Shape, ShapeRange
from torch_nacelle._serving.interface import ServedInput
from torch_nacelle.errors import InputError


@dataclass(frozen=True)
class Sizes:
    """The batch sizes that an optimization profile takes, from `min` to `max`."""

    min: int
    max: int


@dataclass(frozen=True)
class Piece:
    """The rows of one call.

    Attributes:
        start: The first of the rows.
        rows: Number of rows.
        size: Batch size of the call, more than `rows` if the piece is padded.
    """

    start: int
    rows: int
    size: int

    def of(self, tensor: torch.Tensor, *, pinned: bool = False) -> torch.Tensor:
        """A copy of the rows of this piece of a tensor on the CPU, padded with copies of the last one; contiguous."""
        shape = (self.size, *tensor.shape[1:])
        result = torch.empty(shape, dtype=tensor.dtype, device="cpu", pin_memory=pinned)
        result[: self.rows] = tensor[self.start : self.start + self.rows]
        if self.size > self.rows:
            result[self.rows :] = result[self.rows - 1]
        return result


def split(rows: int, allowed: Sequence[Sizes]) -> list[Piece]:
    """Splits a batch into pieces of allowed sizes, with padding only if no split does without.

    Pieces have the largest size as far as possible. Only the last one is padded.

    Args:
        rows: Number of rows, 0 or more.
        allowed: The sizes of each optimization profile; at least one.

    Returns:
        The pieces in the order of the rows.
    """
    largest = max(sizes.max for sizes in allowed)
    full, rest = divmod(rows, largest)
    rest_sizes: list[int] | None = [] if rest == 0 else None
    taken = 0
    # Full pieces are joined with the rest until it can be split. If that helps, it does within `largest` of them, since
    # each full piece leaves room for one row or more.
    while rest_sizes is None and taken <= min(full, largest):
        rest_sizes = _even(rest + taken * largest, allowed)
        taken += 1
    if rest_sizes is not None:
        sizes = [largest] * (full - max(taken - 1, 0)) + rest_sizes
        return list(_pieces(rows, sizes))
    padded = min(max(sizes.min, rest) for sizes in allowed if sizes.max >= rest)
    return list(_pieces(rows, [largest] * full + [padded]))


def _even(rows: int, allowed: Sequence[Sizes]) -> list[int] | None:
    """As few sizes as possible that add up to `rows`, almost equal; None if there are none."""
    found: list[int] | None = None
    for sizes in allowed:
        count = -(-rows // sizes.max)
        if count * sizes.min <= rows and (found is None or count < len(found)):
            least, more = divmod(rows, count)
            found = [least + 1] * more + [least] * (count - more)
    return found


def _pieces(rows: int, sizes: Sequence[int]) -> Iterator[Piece]:
    start = 0
    for size in sizes:
        yield Piece(start, min(size, rows - start), size)
        start += size


def check_inputs(inputs: Sequence[ServedInput]) -> None:
    """Checks that inputs are batches of rows.

    Args:
        inputs: The inputs of a program without those whose tensor is the same in every call.

    Raises:
        InputError: There is none, one has no dimension, or one has another first dimension than the others.
    """
    if not inputs:
        raise InputError("the program has no input for rows; wanted one at least that is not in constants")
    for one in inputs:
        if not one.input.shape:
            raise InputError(f'input "{one.name}" has no dimension, so no rows; {_CONSTANT}')
        if one.input.shape[0] != inputs[0].input.shape[0]:
            raise InputError(
                f'input "{one.name}" has {_first_text(one)} and input "{inputs[0].name}" has {_first_text(inputs[0])}; '
                f"wanted the same, a batch of rows; {_CONSTANT}"
            )
    if not any(sizes_in(inputs, profile) for profile in range(profile_count(inputs))):
        raise InputError("no optimization profile has a batch size that all inputs allow; wanted one size for all")


def profile_count(inputs: Sequence[ServedInput]) -> int:
    """Returns the number of optimization profiles, 1 if no shape varies."""
    return max((len(one.input.ranges) for one in inputs), default=1) or 1


def sizes_in(inputs: Sequence[ServedInput], profile: int) -> Sizes | None:
    """Returns the batch sizes of an optimization profile, 1 or more; None if its inputs have none in common."""
    ranges = [one.range_in(profile) for one in inputs]
    low, high = max(1, *(one.min[0] for one in ranges)), min(one.max[0] for one in ranges)
    return Sizes(low, high) if low <= high else None


def allowed_sizes(inputs: Sequence[ServedInput], rows: Mapping[str, Shape]) -> list[Sizes]:
    """Returns the batch sizes that a program takes for rows of some shapes: those of each profile that fits.

    Args:
        inputs: The inputs; see ``check_inputs``.
        rows: The shape of a row by the input's name, without the first dimension.

    Raises:
        InputError: No optimization profile takes such rows; the message names the input.
    """
    found = []
    for profile in range(profile_count(inputs)):
        sizes = sizes_in(inputs, profile)
        if sizes is not None and all(_takes(one.range_in(profile), rows[one.name]) for one in inputs):
            found.append(sizes)
    if found:
        return found
    for one in inputs:
        ranges = [one.range_in(profile) for profile in range(profile_count(inputs))]
        if not any(_takes(each, rows[one.name]) for each in ranges):
            wanted = " or ".join(dict.fromkeys(_row_text(each) for each in ranges))
            raise InputError(f'rows of input "{one.name}" have the shape {list(rows[one.name])}; wanted {wanted}')
    shapes = ", ".join(f'"{name}" {list(shape)}' for name, shape in rows.items())
    raise InputError(f"no optimization profile takes rows of these shapes together: {shapes}")


_CONSTANT = "give an input that is the same for all rows in constants"


def _first_text(one: ServedInput) -> str:
    if one.input.shape[0] != -1:
        return f"the first dimension {one.input.shape[0]}"
    low, high = min(each.min[0] for each in one.input.ranges), max(each.max[0] for each in one.input.ranges)
    return f"a first dimension of {low}..{high}"


def _takes(allowed: ShapeRange, row: Shape) -> bool:
    return len(row) == len(allowed.min) - 1 and all(
        low <= size <= high for low, size, high in zip(allowed.min[1:], row, allowed.max[1:], strict=True)
    )


def _row_text(allowed: ShapeRange) -> str:
    sizes = [
        str(low) if low == high else f"{low}..{high}"
        for low, high in zip(allowed.min[1:], allowed.max[1:], strict=True)
    ]
    return f"[{', '.join(sizes)}]"
