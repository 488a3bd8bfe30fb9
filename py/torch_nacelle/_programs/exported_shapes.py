"""The shapes that an exported program takes: those that it was exported for, of which its engines allow a part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch

from torch_nacelle._runtime.input import Input, ShapeRange
from torch_nacelle.errors import InputError

Symbol: TypeAlias = Any  # sympy's, which torch brings

_INFINITE = 2**62


@dataclass
class _Size:
    """The range of a size that is not fixed; `high` is None if there is no upper bound."""

    low: int
    high: int | None
    opt: int

    def meet(self, low: int, opt: int, high: int) -> None:
        """Keeps what lies from `low` to `high`, and moves the best size to `opt`."""
        self.low, self.opt = max(self.low, low), opt
        self.high = high if self.high is None else min(self.high, high)

    def at(self, which: str) -> int:
        """The size at "min", "opt" or "max". Without an upper bound the best size is the largest."""
        high = max(self.low, self.opt) if self.high is None else self.high
        return {"min": self.low, "opt": min(max(self.low, self.opt), high), "max": high}[which]


@dataclass
class Exported:
    """The tensors that a program was exported with: their shapes have numbers and symbols.

    Attributes:
        tensors: By the name of the argument; those that have elements of a known dtype and shape.
        constraints: The least and the largest value of each symbol, as torch keeps them.
    """

    tensors: Mapping[str, torch.Tensor]
    constraints: Mapping[Symbol, Any] = field(default_factory=dict)

    def inputs(self, engines: Mapping[str, Input]) -> dict[str, Input]:
        """The dtypes and shapes that a call may have.

        A size that several tensors have in common is one size, so the shapes at "opt" of all of them go together.

        Args:
            engines: The engine's input, by the name of an argument that goes to one as it is.

        Returns:
            An input for each tensor, with an optimization profile for each of the engines' that the program's sizes
            meet.

        Raises:
            InputError: They meet none.
        """
        count = max((len(one.ranges) for one in engines.values()), default=1) or 1
        cases = [case for number in range(count) if (case := self._case(engines, number)) is not None]
        if not cases:
            raise InputError(
                "the shapes that the program was exported for are in no optimization profile of its engines"
            )
        made = {}
        for name, tensor in self.tensors.items():
            binding = engines[name].name if name in engines else None
            ranges = [case[name] for case in cases]
            made[name] = _input(ranges, tensor.dtype, binding)
        return made

    def _case(self, engines: Mapping[str, Input], profile: int) -> dict[str, ShapeRange] | None:
        """The shapes in an optimization profile of the engines; None if the program's sizes are outside of it."""
        sizes = {symbol: self._size(symbol, number) for symbol, number in self._symbols().items()}
        told: set[Symbol] = set()
        for name, engine in engines.items():
            if not engine.dynamic or name not in self.tensors:
                continue
            allowed = engine.ranges[min(profile, len(engine.ranges) - 1)]
            for size, *bounds in zip(self.tensors[name].shape, allowed.min, allowed.opt, allowed.max, strict=False):
                symbol = _expression(size)
                if symbol in sizes:
                    low, opt, high = bounds
                    sizes[symbol].meet(low, sizes[symbol].opt if symbol in told else opt, high)
                    told.add(symbol)
        if any(size.high is not None and size.low > size.high for size in sizes.values()):
            return None
        shapes = {
            name: ShapeRange(*(_shape(tensor.shape, sizes, which) for which in ("min", "opt", "max")))
            for name, tensor in self.tensors.items()
        }
        fits = all(_is_within(shapes[name], engine, profile) for name, engine in engines.items() if name in shapes)
        return shapes if fits else None

    def _symbols(self) -> dict[Symbol, int]:
        """The symbols of all shapes, each with its number in the call that the program was exported with."""
        found: dict[Symbol, int] = {}
        for tensor in self.tensors.values():
            for size in tensor.shape:
                if isinstance(size, int):
                    continue
                known = getattr(size.node.shape_env, "backed_var_to_val", None) or size.node.shape_env.var_to_val
                for symbol in size.node.expr.free_symbols:
                    found[symbol] = int(known.get(symbol, 1))
        return found

    def _size(self, symbol: Symbol, example: int) -> _Size:
        allowed = self.constraints.get(symbol)
        if allowed is None:
            return _Size(0, None, example)
        low, high = (_number(bound) for bound in (allowed.lower, allowed.upper))
        return _Size(max(0, low or 0), high, example)


def _number(bound: Any) -> int | None:
    """A bound as a number; None for infinity, which torch writes as a number of its own or as the largest of int64."""
    if not isinstance(bound, int) and not bound.is_Integer:
        return None
    return int(bound) if abs(int(bound)) < _INFINITE else None


def _expression(size: Any) -> Any:
    return size if isinstance(size, int) else size.node.expr


def _shape(shape: Sequence[Any], sizes: Mapping[Symbol, _Size], which: str) -> tuple[int, ...]:
    values = {symbol: size.at(which) for symbol, size in sizes.items()}
    return tuple(size if isinstance(size, int) else int(size.node.expr.subs(values)) for size in shape)


def _is_within(shapes: ShapeRange, engine: Input, profile: int) -> bool:
    if len(shapes.opt) != len(engine.shape):
        return False
    low = high = engine.shape
    if engine.dynamic:
        allowed = engine.ranges[min(profile, len(engine.ranges) - 1)]
        low, high = allowed.min, allowed.max
    return all(least <= size for least, size in zip(low, shapes.min, strict=True)) and all(
        size <= most for most, size in zip(high, shapes.max, strict=True)
    )


def _input(ranges: Sequence[ShapeRange], dtype: torch.dtype, name: str | None) -> Input:
    first = ranges[0]
    if all(one == first for one in ranges) and first.min == first.max:
        return Input(shape=first.opt, dtype=dtype, name=name)
    return Input(
        min=[one.min for one in ranges],
        opt=[one.opt for one in ranges],
        max=[one.max for one in ranges],
        dtype=dtype,
        name=name,
    )
