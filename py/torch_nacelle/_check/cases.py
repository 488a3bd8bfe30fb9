"""The calls with which a program is compared to its original: given tensors, or values that are made up."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from torch_nacelle._runtime.input import Input
from torch_nacelle.errors import InputError

TRUTHS = range(2)
"""Integers that most models take: indices, masks, counts."""


@dataclass(frozen=True)
class Case:
    """One call.

    Attributes:
        name: For a person.
        optimization_profile: The optimization profile of the call; None for fixed shapes and given tensors.
        tensors: The inputs of the call; on the CPU if they were made up.
        may_not_fit: True if the original may fail on these tensors: the least of values that decide about shapes is not
            always a target that a tensor can be reshaped to, nor must the model take integers other than 0 and 1, or
            every shape between min and max.
    """

    name: str
    optimization_profile: int | None
    tensors: tuple[torch.Tensor, ...]
    may_not_fit: bool = False


def cases_of(inputs: Sequence[Any], seed: int, integers: range, between: int = 0) -> list[Case]:
    """The calls for inputs; see ``check`` and ``check_over`` for the arguments."""
    if not inputs:
        raise InputError("inputs is empty: a program takes at least one tensor")
    if all(isinstance(one, (list, tuple)) for one in inputs):
        return [_given(f"given inputs {index}", one) for index, one in enumerate(inputs)]
    if all(isinstance(one, torch.Tensor) for one in inputs):
        return [_given("given inputs", inputs)]
    described = [Input.of(one) for one in inputs]
    counts = [one.range_count for one in described if one.range_count]
    if not counts:
        return [_made_up("fixed shapes", None, "opt", described, seed, integers)]
    if min(counts) != max(counts):
        raise InputError(f"inputs have different numbers of optimization profiles: {', '.join(map(str, counts))}")
    cases: list[Case] = []
    for profile in range(counts[0]):
        for extent in ("min", "opt", "max"):
            cases.append(
                _made_up(
                    f"optimization profile {profile}, {extent}", profile, extent, described, seed + len(cases), integers
                )
            )
        for fixed in _between(described, profile, between):
            name = f"optimization profile {profile}, between min and max"
            case = _made_up(name, profile, "opt", fixed, seed + len(cases), integers)
            cases.append(replace(case, may_not_fit=True))
    return cases


def _between(inputs: Sequence[Input], profile: int, count: int) -> list[list[Input]]:
    """The inputs with at most `count` shapes each, from min to max of an optimization profile without the ends.

    All dimensions grow together, so that those that are one size in the model stay equal.
    """
    ranges = [one.ranges[profile] for one in inputs if one.dynamic]
    span = max((high - low for one in ranges for low, high in zip(one.min, one.max, strict=True)), default=0)
    steps = min(count, span - 1) + 1

    def fixed(one: Input, step: int) -> Input:
        if not one.dynamic:
            return one
        sizes = zip(one.ranges[profile].min, one.ranges[profile].max, strict=True)
        return Input([low + (high - low) * step // steps for low, high in sizes], one.dtype, name=one.name)

    return [[fixed(one, step) for one in inputs] for step in range(1, steps)]


def _given(name: str, tensors: object) -> Case:
    values: tuple[torch.Tensor, ...] = tuple(tensors)  # type: ignore[arg-type]
    for value in values:
        if not isinstance(value, torch.Tensor):
            raise InputError(f"{name}: a program is called with tensors, found {type(value).__name__}")
    return Case(name, None, values)


def _made_up(name: str, profile: int | None, extent: str, inputs: Sequence[Input], seed: int, integers: range) -> Case:
    generator = torch.Generator("cpu").manual_seed(seed)

    def tensor(one: Input) -> torch.Tensor:
        if one.values:
            return one.tensor_of(getattr(one.values[profile or 0], extent))
        shape = getattr(one.ranges[profile or 0], extent) if one.dynamic else one.shape
        return _values(one.dtype, shape, generator, integers)

    may_not_fit = integers != TRUTHS or (extent != "opt" and any(one.values for one in inputs))
    return Case(name, profile, tuple(tensor(one) for one in inputs), may_not_fit)


def _values(dtype: torch.dtype, shape: Sequence[int], generator: torch.Generator, integers: range) -> torch.Tensor:
    size = tuple(shape)
    if dtype.is_floating_point:
        return torch.randn(size, generator=generator, dtype=torch.float32, device="cpu").to(dtype)
    ranges = {torch.uint8: range(256), torch.int8: range(-128, 128), torch.bool: TRUTHS}
    low, high = ranges.get(dtype, integers).start, ranges.get(dtype, integers).stop
    return torch.randint(low, high, size, generator=generator, device="cpu").to(dtype)


def made_up_inputs(inputs: Sequence[Input], seed: int = 0) -> list[tuple[torch.Tensor, ...]]:
    """Values for inputs, as ``check`` makes them up: for min, opt and max of every shape range, on the CPU."""
    return [case.tensors for case in cases_of(inputs, seed, TRUTHS)]
