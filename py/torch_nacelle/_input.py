"""What an engine is built to take."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch

from torch_nacelle.errors import InputError

Shape: TypeAlias = tuple[int, ...]
ShapeLike: TypeAlias = Sequence[int]


def dtype_name(dtype: torch.dtype) -> str:
    """The dtype's name without its module: ``float32``."""
    return str(dtype).removeprefix("torch.")


@dataclass(frozen=True)
class Profile:
    """The shapes that one optimization profile allows: each dimension from min to max, fastest at opt."""

    min: Shape
    opt: Shape
    max: Shape


@dataclass(frozen=True, init=False)
class Input:
    """One input of an engine: its dtype and the shapes that it may have.

    Attributes:
        shape: The shape, with -1 for a dynamic dimension.
        dtype: The dtype of the tensors that will be given.
        profiles: The ranges of a dynamic shape, one per optimization profile; empty for a fixed shape.
        name: The name of the binding; None: ``input_0``, ``input_1`` … by position.
    """

    shape: Shape
    dtype: torch.dtype
    profiles: tuple[Profile, ...]
    name: str | None

    def __init__(
        self,
        shape: ShapeLike | None = None,
        dtype: torch.dtype = torch.float32,
        min: ShapeLike | Sequence[ShapeLike] | None = None,
        opt: ShapeLike | Sequence[ShapeLike] | None = None,
        max: ShapeLike | Sequence[ShapeLike] | None = None,
        name: str | None = None,
    ) -> None:
        """A fixed shape, ``Input(shape=(1, 3, 224, 224))``, or a range of shapes.

        ``Input(min=(1, 3, 64, 64), opt=(8, 3, 224, 224), max=(16, 3, 512, 512))``; with several optimization
        profiles, a list of shapes for each of the three.

        Args:
            shape: The shape; with a range, where given, -1 in each dimension that varies.
            dtype: The dtype of the tensors that will be given.
            min: The smallest shape, or one per profile.
            opt: The shape to be fastest at, or one per profile; left out, max.
            max: The largest shape, or one per profile.
            name: The name of the binding.

        Raises:
            InputError: The shapes contradict each other, or are no shapes.
        """
        profiles = _profiles(min, opt, max, name)
        set_field = object.__setattr__  # the dataclass is frozen
        set_field(self, "shape", _overall_shape(shape, profiles, name))
        set_field(self, "dtype", dtype)
        set_field(self, "profiles", profiles)
        set_field(self, "name", name)

    @staticmethod
    def of(value: "Input | torch.Tensor") -> "Input":
        """An Input as it is; for a tensor, one of its dtype and exactly its shape."""
        if isinstance(value, Input):
            return value
        if isinstance(value, torch.Tensor):
            return Input(shape=tuple(value.shape), dtype=value.dtype)
        raise InputError(f"an input is described by a tensor or a torch_nacelle.Input, found {type(value).__name__}")

    @property
    def dynamic(self) -> bool:
        """Whether a dimension varies."""
        return -1 in self.shape

    def named(self, name: str) -> "Input":
        """The same under a name of its own."""
        result = copy.copy(self)
        object.__setattr__(result, "name", name)
        return result

    def example(self, profile: int = 0) -> torch.Tensor:
        """A tensor of ones of the opt shape of `profile`, on the CPU."""
        shape = self.profiles[profile].opt if self.dynamic else self.shape
        return torch.ones(shape, dtype=self.dtype)


def _which(name: str | None) -> str:
    return f"Input {name!r}" if name else "Input"


def _as_shape(value: ShapeLike, what: str) -> Shape:
    extents = tuple(int(extent) for extent in value)
    if any(extent < 0 for extent in extents):
        raise InputError(f"{what} is {extents}: sizes of dimensions are 0 or more")
    return extents


def _per_profile(value: ShapeLike | Sequence[ShapeLike] | None, what: str) -> list[Shape] | None:
    if value is None:
        return None
    items = list(value)
    if items and all(isinstance(item, Sequence) for item in items):
        return [_as_shape(item, what) for item in items]  # type: ignore[arg-type]
    return [_as_shape(items, what)]  # type: ignore[arg-type]


def _profiles(
    low: ShapeLike | Sequence[ShapeLike] | None,
    opt: ShapeLike | Sequence[ShapeLike] | None,
    high: ShapeLike | Sequence[ShapeLike] | None,
    name: str | None,
) -> tuple[Profile, ...]:
    which = _which(name)
    lows, opts, highs = (
        _per_profile(value, f"{which}: {what}") for value, what in ((low, "min"), (opt, "opt"), (high, "max"))
    )
    if lows is None and opts is None and highs is None:
        return ()
    if lows is None or highs is None:
        raise InputError(f"{which}: a range of shapes needs both min and max, found only {'max' if highs else 'min'}")
    opts = highs if opts is None else opts
    if not len(lows) == len(opts) == len(highs):
        raise InputError(
            f"{which}: min, opt and max must list a shape per optimization profile each, found {len(lows)}, "
            f"{len(opts)} and {len(highs)}"
        )
    profiles = tuple(Profile(*shapes) for shapes in zip(lows, opts, highs, strict=True))
    for profile in profiles:
        _check_profile(profile, len(profiles[0].min), which)
    return profiles


def _check_profile(profile: Profile, rank: int, which: str) -> None:
    if not len(profile.min) == len(profile.opt) == len(profile.max) == rank:
        raise InputError(
            f"{which}: min {profile.min}, opt {profile.opt} and max {profile.max} must all have {rank} dimensions"
        )
    for dim, (low, opt, high) in enumerate(zip(profile.min, profile.opt, profile.max, strict=True)):
        if not low <= opt <= high:
            raise InputError(f"{which}: dimension {dim} has min {low}, opt {opt} and max {high}; they must ascend")


def _overall_shape(shape: ShapeLike | None, profiles: tuple[Profile, ...], name: str | None) -> Shape:
    which = _which(name)
    if not profiles:
        if shape is None:
            raise InputError(f"{which}: give a shape, or min, opt and max")
        if -1 in shape:
            raise InputError(
                f"{which}: the shape {tuple(shape)} has dynamic dimensions: give their range as min, opt, max"
            )
        return _as_shape(shape, f"{which}: shape")
    low = [min(profile.min[dim] for profile in profiles) for dim in range(len(profiles[0].min))]
    high = [max(profile.max[dim] for profile in profiles) for dim in range(len(profiles[0].min))]
    derived = tuple(a if a == b else -1 for a, b in zip(low, high, strict=True))
    if shape is None:
        return derived
    given = tuple(int(extent) for extent in shape)
    if len(given) != len(derived) or any(
        extent not in (-1, wanted) for extent, wanted in zip(given, derived, strict=True)
    ):
        raise InputError(f"{which}: the shape {given} does not fit min and max, which give {derived}")
    return given


def with_names(inputs: Sequence[Input]) -> list[Input]:
    """The inputs, those without a name named ``input_0``, ``input_1`` … by position.

    Raises:
        InputError: Two have the same name.
    """
    named = [one.named(one.name or f"input_{index}") for index, one in enumerate(inputs)]
    names = [one.name for one in named]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"two inputs have the name {twice[0]!r}: each binding has a name of its own")
    return named


def profile_shapes(
    inputs: Sequence[Input], opened: Sequence[str] = ()
) -> list[dict[str, tuple[list[int], list[int], list[int]]]]:
    """For each optimization profile, min, opt and max of each dynamic input; empty where all shapes are fixed.

    Args:
        inputs: What the engine takes.
        opened: Names of inputs whose shape the model leaves open: they are in every profile, fixed ones too.

    Raises:
        InputError: The inputs have different numbers of profiles.
    """
    counts = {str(one.name): len(one.profiles) for one in inputs if one.dynamic}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise InputError(f"dynamic inputs must have the same number of optimization profiles: {listed}")
    fixed = {str(one.name): list(one.shape) for one in inputs if not one.dynamic and str(one.name) in opened}
    return [
        {name: (shape, shape, shape) for name, shape in fixed.items()}
        | {
            str(one.name): (list(p.min), list(p.opt), list(p.max))
            for one in inputs
            if one.dynamic
            for p in [one.profiles[index]]
        }
        for index in range(max(counts.values(), default=1 if fixed else 0))
    ]
