"""The inputs that an engine is built for."""

import copy
import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from torch_nacelle._runtime import checks
from torch_nacelle.errors import InputError

Shape: TypeAlias = tuple[int, ...]
ShapeLike: TypeAlias = Sequence[int]

_VALUE_DTYPES = (torch.int32, torch.int64)


def dtype_name(dtype: torch.dtype) -> str:
    """The dtype's name without its module: ``float32``."""
    return str(dtype).removeprefix("torch.")


@dataclass(frozen=True)
class ShapeRange:
    """A range of shapes, or of values that decide about shapes: each number from min to max, fastest at opt."""

    min: Shape
    opt: Shape
    max: Shape


@dataclass(frozen=True, init=False)
class Input:
    """One input of an engine: its dtype and the shapes that it may have, or the values.

    Attributes:
        shape: The shape, with -1 for a dynamic dimension.
        dtype: The dtype of the tensors that will be given.
        ranges: The ranges of a dynamic shape, one for each optimization profile; empty for a fixed shape.
        name: The name of the binding; None: ``input_0``, ``input_1`` … by position.
        values: The ranges of values that decide about shapes, one for each optimization profile; else empty.
    """

    shape: Shape
    dtype: torch.dtype
    ranges: tuple[ShapeRange, ...]
    name: str | None
    values: tuple[ShapeRange, ...]

    def __init__(
        self,
        shape: ShapeLike | None = None,
        dtype: torch.dtype = torch.float32,
        min: ShapeLike | Sequence[ShapeLike] | None = None,
        opt: ShapeLike | Sequence[ShapeLike] | None = None,
        max: ShapeLike | Sequence[ShapeLike] | None = None,
        name: str | None = None,
        min_values: ShapeLike | Sequence[ShapeLike] | None = None,
        opt_values: ShapeLike | Sequence[ShapeLike] | None = None,
        max_values: ShapeLike | Sequence[ShapeLike] | None = None,
    ) -> None:
        """A fixed shape, ``Input(shape=(1, 3, 224, 224))``, or a range of shapes.

        ``Input(min=(1, 3, 64, 64), opt=(8, 3, 224, 224), max=(16, 3, 512, 512))``; with several optimization
        profiles, a list of shapes for each of the three.

        An input whose values decide about shapes, such as the target of a reshape, has a fixed shape and ranges of
        values: ``Input(shape=(2,), dtype=torch.int64, min_values=(1, 1), opt_values=(3, 4), max_values=(12, 12))``.

        Args:
            shape: The shape; if a range is given too, -1 in each dimension that varies.
            dtype: The dtype of the tensors that will be given.
            min: The smallest shape, or one for each optimization profile.
            opt: The shape to be fastest at, or one for each optimization profile; left out, max.
            max: The largest shape, or one for each optimization profile.
            name: The name of the binding.
            min_values: The least of each element, if the values decide about shapes, or a list for each optimization
                profile.
            opt_values: Those to be fastest at; left out, max_values.
            max_values: The largest.

        Raises:
            InputError: The shapes or the values contradict each other, are none, or take 2^63 bytes or more. Values are
                for int32 and int64, and for fixed shapes of one dimension or none.
        """
        if name is not None:
            checks.text(name, "an Input's name")
        if not isinstance(dtype, torch.dtype):
            raise InputError(f"{_which(name)}: dtype is {dtype!r}; wanted one of torch's, such as torch.float32")
        ranges = _ranges(_SHAPES, min, opt, max, name)
        set_field = object.__setattr__  # the dataclass is frozen
        set_field(self, "shape", _overall_shape(shape, ranges, name))
        set_field(self, "dtype", dtype)
        set_field(self, "ranges", ranges)
        set_field(self, "name", name)
        values = _ranges(_VALUES, min_values, opt_values, max_values, name)
        _check_values(values, self)
        set_field(self, "values", values)
        for largest in [one.max for one in ranges] or [self.shape]:
            _check_size(largest, self)

    @staticmethod
    def of(value: "Input | torch.Tensor") -> "Input":
        """An Input as it is; for a tensor, one of its dtype and exactly its shape."""
        if isinstance(value, Input):
            return value
        if isinstance(value, torch.Tensor):
            return Input(shape=tuple(value.shape), dtype=value.dtype)
        raise InputError(
            f"an input is described by a tensor or a torch_nacelle.Input, found {type(value).__name__}{_hint(value)}"
        )

    @property
    def dynamic(self) -> bool:
        """True if a dimension varies."""
        return -1 in self.shape

    @property
    def range_count(self) -> int:
        """The number of ranges, one for each optimization profile; 0 if it has one shape and any values."""
        return len(self.ranges) if self.dynamic else len(self.values)

    def named(self, name: str) -> "Input":
        """The same under a name of its own."""
        result = copy.copy(self)
        object.__setattr__(result, "name", name)
        return result

    def example(self, optimization_profile: int = 0) -> torch.Tensor:
        """A tensor of the opt shape in an optimization profile, on the CPU: of its opt values, or else of ones."""
        if self.values:
            return self.tensor_of(self.values[optimization_profile].opt)
        shape = self.ranges[optimization_profile].opt if self.dynamic else self.shape
        return torch.ones(shape, dtype=self.dtype, device="cpu")

    def tensor_of(self, values: Sequence[int]) -> torch.Tensor:
        """A tensor of its shape and dtype with these values, on the CPU."""
        return torch.tensor(values, dtype=self.dtype, device="cpu").reshape(self.shape)


@dataclass(frozen=True)
class _Kind:
    """A kind of ranges: the names of its arguments, and words for messages."""

    low: str
    opt: str
    high: str
    one: str
    ranges: str
    counted: str
    part: str


_SHAPES = _Kind("min", "opt", "max", "a shape", "a range of shapes", "dimensions", "dimension")
_VALUES = _Kind("min_values", "opt_values", "max_values", "a list", "a range of values", "elements", "element")


def _which(name: str | None) -> str:
    return f"Input {name!r}" if name else "Input"


def _as_shape(value: ShapeLike, what: str) -> Shape:
    extents = _numbers(_SHAPES, value, what)
    if any(extent < 0 for extent in extents):
        raise InputError(f"{what} is {extents}: sizes of dimensions are 0 or more")
    return extents


def _listed(kind: _Kind, value: ShapeLike | Sequence[ShapeLike] | None, what: str) -> list[Shape] | None:
    if value is None:
        return None
    items = checks.sequence(value, what, f"{kind.one} of whole numbers, or one per optimization profile")
    lists = (
        items if items and all(isinstance(item, Sequence) and not isinstance(item, str) for item in items) else [items]
    )
    if kind is _VALUES:
        return [_numbers(kind, one, what) for one in lists]
    return [_as_shape(one, what) for one in lists]


def _numbers(kind: _Kind, value: object, what: str) -> Shape:
    items = checks.sequence(value, what, f"{kind.one} of whole numbers")
    return tuple(checks.whole_number(item, f"{what}, {kind.part} {place},") for place, item in enumerate(items))


def _check_size(shape: Shape, given: Input) -> None:
    size = math.prod(shape) * given.dtype.itemsize
    if size >= 2**63:
        raise InputError(
            f"{_which(given.name)}: {dtype_name(given.dtype)} {list(shape)} takes {size} bytes; wanted less than 2^63"
        )


def _ranges(
    kind: _Kind,
    low: ShapeLike | Sequence[ShapeLike] | None,
    opt: ShapeLike | Sequence[ShapeLike] | None,
    high: ShapeLike | Sequence[ShapeLike] | None,
    name: str | None,
) -> tuple[ShapeRange, ...]:
    which = _which(name)
    lows, opts, highs = (
        _listed(kind, value, f"{which}: {what}")
        for value, what in ((low, kind.low), (opt, kind.opt), (high, kind.high))
    )
    if lows is None and opts is None and highs is None:
        return ()
    if lows is None or highs is None:
        found = [what for what, value in ((kind.low, lows), (kind.opt, opts), (kind.high, highs)) if value is not None]
        raise InputError(
            f"{which}: {kind.ranges} needs both {kind.low} and {kind.high}, found only {' and '.join(found)}"
        )
    opts = highs if opts is None else opts
    if not len(lows) == len(opts) == len(highs):
        raise InputError(
            f"{which}: {kind.low}, {kind.opt} and {kind.high} must list {kind.one} per optimization profile each, "
            f"found {len(lows)}, {len(opts)} and {len(highs)}"
        )
    ranges = tuple(ShapeRange(*parts) for parts in zip(lows, opts, highs, strict=True))
    for one in ranges:
        _check_range(kind, one, len(ranges[0].min), which)
    return ranges


def _check_range(kind: _Kind, checked: ShapeRange, count: int, which: str) -> None:
    if not len(checked.min) == len(checked.opt) == len(checked.max) == count:
        raise InputError(
            f"{which}: {kind.low} {checked.min}, {kind.opt} {checked.opt} and {kind.high} {checked.max} must all have "
            f"{count} {kind.counted}"
        )
    for place, (low, opt, high) in enumerate(zip(checked.min, checked.opt, checked.max, strict=True)):
        if not low <= opt <= high:
            raise InputError(
                f"{which}: {kind.part} {place} has {kind.low} {low}, {kind.opt} {opt} and {kind.high} {high}; "
                "they must ascend"
            )


def _check_values(values: tuple[ShapeRange, ...], given: Input) -> None:
    if not values:
        return
    which = _which(given.name)
    if given.dtype not in _VALUE_DTYPES:
        raise InputError(
            f"{which}: values that decide about shapes are int32 or int64, found {dtype_name(given.dtype)}: give dtype="
        )
    if given.dynamic or len(given.shape) > 1:
        raise InputError(
            f"{which}: values that decide about shapes have a fixed shape of one dimension or none, found "
            f"{list(given.shape)}"
        )
    count = given.shape[0] if given.shape else 1
    if len(values[0].min) != count:
        raise InputError(f"{which}: its shape is {list(given.shape)}, and min_values has {len(values[0].min)} elements")
    limits = torch.iinfo(given.dtype)
    for value in (number for one in values for number in (*one.min, *one.max)):
        if not limits.min <= value <= limits.max:
            raise InputError(f"{which}: the value {value} is no {dtype_name(given.dtype)}")


def _overall_shape(shape: ShapeLike | None, ranges: tuple[ShapeRange, ...], name: str | None) -> Shape:
    which = _which(name)
    if not ranges:
        if shape is None:
            raise InputError(f"{which}: give a shape, or min, opt and max")
        numbers = _numbers(_SHAPES, shape, f"{which}: shape")
        if -1 in numbers:
            raise InputError(f"{which}: the shape {numbers} has dynamic dimensions: give their range as min, opt, max")
        return _as_shape(numbers, f"{which}: shape")
    low = [min(one.min[dim] for one in ranges) for dim in range(len(ranges[0].min))]
    high = [max(one.max[dim] for one in ranges) for dim in range(len(ranges[0].min))]
    derived = tuple(a if a == b else -1 for a, b in zip(low, high, strict=True))
    if shape is None:
        return derived
    given = _numbers(_SHAPES, shape, f"{which}: shape")
    if len(given) != len(derived) or any(
        extent not in (-1, wanted) for extent, wanted in zip(given, derived, strict=True)
    ):
        raise InputError(f"{which}: the shape {given} does not fit min and max, which give {derived}")
    return given


def as_list(inputs: object, what: str = "inputs") -> list[Any]:
    """A caller's inputs as a list: a tensor or an ``Input`` alone is one input.

    Raises:
        InputError: It is nothing that holds inputs in an order.
    """
    if isinstance(inputs, (torch.Tensor, Input)):
        return [inputs]
    no_list = isinstance(inputs, (str, bytes, Mapping, Set)) or hasattr(inputs, "__array__")
    if no_list or not isinstance(inputs, Iterable):
        raise InputError(
            f"{what} is of type {type(inputs).__name__}; wanted a list with a tensor or a torch_nacelle.Input for each "
            f"input{_hint(inputs)}"
        )
    return list(inputs)


def _hint(value: object) -> str:
    """Advice for the end of a message: a way to give the value after all."""
    if hasattr(value, "__array__"):
        return ": make a tensor of the array with torch.from_numpy"
    if isinstance(value, (tuple, list, torch.Size)) and value and all(isinstance(one, int) for one in value):
        return f": give torch_nacelle.Input(shape={tuple(value)})"
    return ""


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


def optimization_profiles(
    inputs: Sequence[Input], opened: Sequence[str] = ()
) -> list[dict[str, tuple[list[int], list[int], list[int]]]]:
    """For each optimization profile, min, opt and max of what varies; empty if nothing does.

    Shapes of dynamic inputs, and values of those whose values decide about shapes.

    Args:
        inputs: The engine's inputs.
        opened: Names of inputs whose shape the model leaves open, which every optimization profile has, fixed ones too.

    Raises:
        InputError: The inputs have different numbers of optimization profiles.
    """
    ranges = {str(one.name): one.ranges if one.dynamic else one.values for one in inputs if one.range_count}
    counts = {name: len(listed) for name, listed in ranges.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise InputError(f"dynamic inputs must have the same number of optimization profiles: {listed}")
    fixed = {str(one.name): list(one.shape) for one in inputs if not one.range_count and str(one.name) in opened}
    return [
        {name: (shape, shape, shape) for name, shape in fixed.items()}
        | {name: (list(p[index].min), list(p[index].opt), list(p[index].max)) for name, p in ranges.items()}
        for index in range(max(counts.values(), default=1 if fixed else 0))
    ]
