"""The guards of exported programs: conditions on the sizes of inputs, under which the graph of a program is right.

torch.export follows one run. A branch that it did not take is gone from the graph, and a guard says for which sizes
that is right: ``x.size()[0] != 5``. An engine checks no guards, so they are checked before it is built.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from torch_nacelle._runtime.input import Input, Shape
from torch_nacelle._runtime.messages import first_lines
from torch_nacelle.errors import InputError

_MAX_SIZES = 2048  # of one dimension that are looked at, and combinations of several dimensions

_MAX_CHECKS = 10_000_000  # of a guard for a call; files may have many guards

_MAX_TRIALS = 3  # runs of a program for a guard that does not hold

_EXTENTS = ("min", "opt", "max")

_PREFIX = "Guard failed: "


class Guards:
    """The guards of a program, as torch itself checks them in ``program.module()``."""

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        """Takes the guards of a program; a torch that makes no function of them gives none.

        Raises:
            InputError: torch cannot make a function of them.
        """
        try:
            module: Any = program.module()
        except Exception as error:  # of the guards' text, which may come from a file
            raise InputError(f"the guards of the ExportedProgram cannot be read: {first_lines(error)}") from error
        self._function = getattr(module, "_guards_fn", None)
        calls = module.graph.find_nodes(op="call_module", target="_guards_fn")
        self._arguments = [(node.name, node.meta.get("val")) for node in calls[0].args] if calls else []
        self.count = len(getattr(program, "_guards_code", ()))

    def __bool__(self) -> bool:
        return self._function is not None and bool(self._arguments)

    def failed(self, tensors: Mapping[str, torch.Tensor]) -> str:
        """The first guard that does not hold for tensors by the names of arguments; empty if all hold."""
        if not self:
            return ""
        assert self._function is not None
        try:
            self._function(*(tensors.get(name, value) for name, value in self._arguments))
        except AssertionError as error:
            return str(error).removeprefix(_PREFIX)
        except Exception as error:  # a guard of what is not there
            return f"its guards can be computed ({type(error).__name__}: {first_lines(error)})"
        return ""

    def failed_at(self, shapes: Mapping[str, Shape]) -> str:
        """``failed`` for tensors of these shapes."""
        return self.failed({name: torch.empty(shape, device="meta") for name, shape in shapes.items()})


@dataclass(frozen=True)
class Call:
    """A call of a program.

    Attributes:
        where: For a person, the place in the ranges of the inputs; empty for one between min and max.
        shapes: The shapes of the inputs, by name.
    """

    where: str
    shapes: Mapping[str, Shape]

    def __str__(self) -> str:
        shapes = ", ".join(f"{name} {list(shape)}" for name, shape in self.shapes.items())
        return f"{shapes} ({self.where})" if self.where else shapes


@dataclass
class _Together:
    """Dimensions whose sizes depend on each other: one of several inputs, or two of which one is twice the other.

    Attributes:
        expressions: The sizes as the program has them.
        places: For each expression the dimensions that have it, each as an input's name and a number.
    """

    expressions: list[Any] = field(default_factory=list)
    places: list[list[tuple[str, int]]] = field(default_factory=list)

    def add(self, expression: Any, place: tuple[str, int]) -> None:
        if expression not in self.expressions:
            self.expressions.append(expression)
            self.places.append([])
        self.places[self.expressions.index(expression)].append(place)

    def join(self, other: "_Together") -> None:
        self.expressions += other.expressions
        self.places += other.places

    def symbols(self) -> set[Any]:
        return {symbol for expression in self.expressions for symbol in expression.free_symbols}

    def sizes(self, low: Mapping[str, Shape], high: Mapping[str, Shape]) -> list[dict[tuple[str, int], int]]:
        """Sizes of all the dimensions that may go together, from `low` to `high`."""
        bounds = [
            (max(low[name][dim] for name, dim in places), min(high[name][dim] for name, dim in places))
            for places in self.places
        ]
        if len(self.expressions) == 1:
            ((least, most),) = bounds
            rows: Iterator[tuple[int, ...]] = ((size,) for size in _spread(least, most, _MAX_SIZES))
        else:
            rows = self._solutions(bounds)
        return [
            {place: size for size, places in zip(row, self.places, strict=True) for place in places} for row in rows
        ]

    def _solutions(self, bounds: Sequence[tuple[int, int]]) -> Iterator[tuple[int, ...]]:
        symbols = list(self.symbols())
        if len(symbols) != 1:
            return  # min, opt and max are looked at in any case
        for value in _spread(0, max(most for _, most in bounds), _MAX_SIZES):
            row = [expression.subs(symbols[0], value) for expression in self.expressions]
            if all(size.is_Integer and least <= size <= most for size, (least, most) in zip(row, bounds, strict=True)):
                yield tuple(map(int, row))


def corners(inputs: Mapping[str, Input]) -> list[Call]:
    """The calls at min, opt and max of each range; the one call of inputs with fixed shapes."""
    count = max((len(one.ranges) for one in inputs.values() if one.dynamic), default=0)
    if not count:
        return [Call("fixed shapes", {name: one.shape for name, one in inputs.items()})]
    return [
        Call(f"{extent} of optimization profile {number}", shapes)
        for number in range(count)
        for extent, shapes in zip(_EXTENTS, _shapes(inputs, number), strict=True)
    ]


def _shapes(inputs: Mapping[str, Input], number: int) -> list[dict[str, Shape]]:
    """The shapes of all inputs at min, opt and max of an optimization profile."""
    return [
        {name: getattr(one.ranges[number], extent) if one.dynamic else one.shape for name, one in inputs.items()}
        for extent in _EXTENTS
    ]


def between(program_shapes: Mapping[str, Sequence[Any]], inputs: Mapping[str, Input]) -> Iterator[Call]:
    """Calls with sizes between min and max.

    Each dimension takes all its sizes while the others are at opt, and then all take some sizes with each other.

    Args:
        program_shapes: The shapes of the program's inputs by name, with torch's symbolic sizes.
        inputs: The inputs of the engine, by the same names.
    """
    for number in range(max((len(one.ranges) for one in inputs.values() if one.dynamic), default=0)):
        yield from _between(_together(program_shapes), *_shapes(inputs, number))


def _together(program_shapes: Mapping[str, Sequence[Any]]) -> list[_Together]:
    groups: list[_Together] = []
    for name, shape in program_shapes.items():
        for dim, size in enumerate(shape):
            expression = None if isinstance(size, int) else size.node.expr
            if expression is None or not expression.free_symbols:
                continue
            joined = _Together()
            joined.add(expression, (name, dim))
            for group in [one for one in groups if one.symbols() & expression.free_symbols]:
                groups.remove(group)
                if expression in group.expressions:
                    group.add(expression, (name, dim))
                    joined, group = group, joined
                    continue
                joined.join(group)
            groups.append(joined)
    return groups


def _between(
    groups: Sequence[_Together], low: Mapping[str, Shape], opt: Mapping[str, Shape], high: Mapping[str, Shape]
) -> Iterator[Call]:
    varying = [sizes for group in groups if len(sizes := group.sizes(low, high)) > 1]
    for sizes in varying:
        for one in sizes:
            yield Call("", _with_sizes(opt, one))
    if len(varying) > 1:
        each = max(2, math.floor(_MAX_SIZES ** (1 / len(varying))))
        few = [[sizes[index] for index in _spread(0, len(sizes) - 1, each)] for sizes in varying]
        for combination in itertools.islice(itertools.product(*few), _MAX_SIZES):
            yield Call("", _with_sizes(opt, {place: size for one in combination for place, size in one.items()}))


def _with_sizes(shapes: Mapping[str, Shape], sizes: Mapping[tuple[str, int], int]) -> dict[str, Shape]:
    return {
        name: tuple(sizes.get((name, dim), extent) for dim, extent in enumerate(shape))
        for name, shape in shapes.items()
    }


def _spread(low: int, high: int, count: int) -> list[int]:
    """All numbers from `low` to `high`; of more than `count`, half are the least and half lie evenly up to `high`."""
    if high - low < count:
        return list(range(low, high + 1))
    half = count // 2
    least = range(low, low + count - half)
    return [*least, *(high - (high - least[-1]) * index // half for index in reversed(range(half)))]


def refusal(
    guards: Guards, module: torch.nn.Module, program_shapes: Mapping[str, Sequence[Any]], inputs: Mapping[str, Input]
) -> str:
    """A sentence about a call that inputs allow and the guards do not; empty if there is none.

    At min, opt and max of a range all guards hold. Between these, a guard may fail if the program itself cannot run
    there, such as for a size that is no multiple of what a reshape needs: such a call fails and gives no wrong number.

    Args:
        guards: The program's guards.
        module: The program without them.
        program_shapes: See ``between``.
        inputs: The same.
    """
    if not guards:
        return ""
    trials: dict[str, int] = {}
    inside = itertools.islice(between(program_shapes, inputs), max(1, _MAX_CHECKS // max(1, guards.count)))
    for call in itertools.chain(corners(inputs), inside):
        guard = guards.failed_at(call.shapes)
        if not guard:
            continue
        trials[guard] = trials.get(guard, 0) + 1
        if call.where or (trials[guard] <= _MAX_TRIALS and not why_failing(module, call, inputs)):
            return f"the ExportedProgram is right only if {guard}, which does not hold for {call}"
    return ""


def why_failing(module: torch.nn.Module, call: Call, inputs: Mapping[str, Input]) -> str:
    """The reason why a run of a program fails, on made-up inputs; empty if it does not."""
    tensors = [
        one.example() if one.values else torch.ones(call.shapes[name], dtype=one.dtype) for name, one in inputs.items()
    ]
    device = next((tensor.device for tensor in [*module.parameters(), *module.buffers()]), torch.device("cpu"))
    try:
        with torch.no_grad():
            module(*(tensor.to(device) for tensor in tensors))
    except Exception as error:  # the program's own
        return f"{type(error).__name__}: {first_lines(error)}"
    return ""
