"""The shape laws of an engine, recovered by asking it: its plan may come from anywhere.

An execution context without device memory computes the output shapes; nothing runs on the device.
"""

from __future__ import annotations

import itertools
import random
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch

from torch_nacelle import _C
from torch_nacelle._export.shape_laws import Dimension, EngineLaws, Unknown, upper_bounds
from torch_nacelle._export.shape_laws_fit import Box, fit
from torch_nacelle._export.shape_laws_products import Sizes
from torch_nacelle.errors import ExecutionError

MAX_KEPT = 256  # engines whose laws are kept
TESTS = 5  # points in each optimization profile, besides its ends, at which laws of a file are tested
HOST_VALUES = 8  # sets of values that are tried, for inputs whose values decide about shapes

_Key = tuple[int, tuple[str, ...], tuple[str, ...]]

_lock = threading.Lock()
_kept: OrderedDict[_Key, EngineLaws] = OrderedDict()
_offered: OrderedDict[_Key, EngineLaws] = OrderedDict()
_asking: dict[_Key, threading.Lock] = {}


def laws_of(engine: torch.ScriptObject) -> EngineLaws:
    """Returns the laws of an engine's outputs: asks for them once for each plan and order of inputs and outputs.

    Any thread may call it; threads that ask for one engine at once wait for the first. Raises the engine's own error if
    it cannot be set up here, and ExecutionError if it gives no shapes.
    """
    key = _key(engine)
    with _lock:
        known = _known(key)
        if known is not None:
            return known
        asking = _asking.setdefault(key, threading.Lock())
    with asking:
        with _lock:
            known = _known(key)
        if known is None:
            recovery = _Recovery(engine)
            offered = _offered.get(key)
            known = offered if offered is not None and recovery.agrees(offered) else recovery.run()
        with _lock:
            _kept[key] = known
            _asking.pop(key, None)
            while len(_kept) > MAX_KEPT:
                _kept.popitem(last=False)
    return known


def known_laws(engine: torch.ScriptObject) -> EngineLaws | None:
    """Returns the laws that were found for an engine; None if nobody asked yet. The engine is not asked."""
    with _lock:
        return _known(_key(engine))


def offer(engine: torch.ScriptObject, laws: EngineLaws) -> None:
    """Keeps the laws that a file has for an engine: `laws_of` takes them if they pass a test, which costs less."""
    with _lock:
        _offered[_key(engine)] = laws
        while len(_offered) > MAX_KEPT:
            _offered.popitem(last=False)


def _key(engine: torch.ScriptObject) -> _Key:
    methods: Any = engine  # torch gives a ScriptObject its class's methods when it is made
    return (_C.plan_id(engine), tuple(methods.input_names()), tuple(methods.output_names()))


def _known(key: _Key) -> EngineLaws | None:
    known = _kept.get(key)
    if known is not None:
        _kept.move_to_end(key)
    return known


class _Recovery:
    """Asks one engine. Its inputs' sizes are in a row in a point, and its outputs' sizes in an answer."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._inputs = engine.inputs()
        self._outputs = engine.outputs()
        self._ranks = [len(shape) for _, _, shape, _ in self._inputs]
        profiles = range(len(self._inputs[0][3]) if self._inputs else 1)
        self._boxes = [
            Box(*(tuple(itertools.chain(*(one[3][profile][i] for one in self._inputs))) for i in range(3)))
            for profile in profiles
        ]
        self._host_values = _host_values(engine, len(self._boxes))
        self._asked = 0
        self._dependent: set[int] = set()

    def run(self) -> EngineLaws:
        dimensions = [Dimension(i, dim) for i, rank in enumerate(self._ranks) for dim in range(rank)]
        max_elements = self._max_elements()
        self._find_dependent()
        sizes = fit(dimensions, self._boxes, self._ask)
        ranks = [len(shape) for _, _, shape, _ in self._outputs]
        if len(sizes) != sum(ranks):
            raise ExecutionError(
                f"engine {self._engine.name()!r} gives no output shapes at the minimum, optimum and maximum of its "
                'optimization profiles, so that no laws of them can be found; set the log level to "error" to see why'
            )
        ranges = {
            one: (min(box.min[i] for box in self._boxes), max(box.max[i] for box in self._boxes))
            for i, one in enumerate(dimensions)
        }
        rest = iter(sizes)
        outputs = [list(itertools.islice(rest, rank)) for rank in ranks]
        bounded = (upper_bounds(sizes, ranges, most) for sizes, most in zip(outputs, max_elements, strict=True))
        return EngineLaws(tuple(self._ranks), tuple(bounded))

    def agrees(self, laws: EngineLaws) -> bool:
        """Returns True if the engine gives the sizes that the laws say, at the ends of its profiles and points between.

        Sizes that no law gives are not tested, so laws with any are refused.
        """
        ranks = [len(shape) for _, _, shape, _ in self._outputs]
        unknown = any(isinstance(size, Unknown) for output in laws.outputs for size in output)
        if unknown or laws.ranks != tuple(self._ranks) or [len(output) for output in laws.outputs] != ranks:
            return False
        self._find_dependent()
        points = [point for box in self._boxes for point in (box.min, box.opt, box.max, *_between(box))]
        said = [tuple(itertools.chain(*laws.output_sizes(self._shapes(point)))) for point in points]
        return said == self._ask(points)

    def _ask(self, points: Sequence[Sizes]) -> list[Sizes | None]:
        """Returns the answers at the points, each asked in the first optimization profile that allows it."""
        by_profile: dict[int, list[int]] = {}
        for index, point in enumerate(points):
            profile = next(i for i, box in enumerate(self._boxes) if box.holds(point))
            by_profile.setdefault(profile, []).append(index)
        answers: list[Sizes | None] = [None] * len(points)
        for profile, indices in by_profile.items():
            asked = [(self._shapes(points[index]), self._values(profile, self._asked + index)) for index in indices]
            shapes, _ = _C.infer_shapes(self._engine, profile, asked)
            for index, found in zip(indices, shapes, strict=True):
                answers[index] = None if found is None else self._marked(found)
        self._asked += len(points)
        return answers

    def _marked(self, shapes: list[list[int]]) -> Sizes:
        """Returns the output sizes in a row, with -1 for those that depend on values."""
        sizes = itertools.chain(*shapes)
        return tuple(-1 if index in self._dependent else size for index, size in enumerate(sizes))

    def _shapes(self, point: Sizes) -> list[list[int]]:
        rest = iter(point)
        return [list(itertools.islice(rest, rank)) for rank in self._ranks]

    def _values(self, profile: int, turn: int) -> list[list[int]]:
        """Returns the values of the inputs that are read on the host, which change from point to point."""
        choices = self._host_values[profile]
        return choices[turn % len(choices)] if choices else []

    def _find_dependent(self) -> None:
        """Finds the output sizes that change with the values of the inputs that are read on the host."""
        for profile, choices in enumerate(self._host_values):
            opt = self._shapes(self._boxes[profile].opt)
            if choices:
                shapes, _ = _C.infer_shapes(self._engine, profile, [(opt, values) for values in choices])
                rows = [list(itertools.chain(*one)) for one in shapes if one is not None]
                self._dependent |= {i for i, sizes in enumerate(zip(*rows, strict=True)) if len(set(sizes)) > 1}

    def _max_elements(self) -> list[int | None]:
        """Returns the most elements that each output can have in any optimization profile, as the engine says."""
        most: list[int | None] = [0] * len(self._outputs)
        for profile, box in enumerate(self._boxes):
            _, elements = _C.infer_shapes(self._engine, profile, [(self._shapes(box.max), [])])
            most = [None if a is None or b is None else max(a, b) for a, b in zip(most, elements, strict=True)]
        return most


def _between(box: Box) -> list[Sizes]:
    """Returns points of a profile that nobody knows before. Sizes with one range are equal in each."""
    chosen = random.SystemRandom()
    parts = [chosen.random() for _ in range(TESTS)]
    return [
        tuple(low + round((high - low) * part) for low, high in zip(box.min, box.max, strict=True)) for part in parts
    ]


def _host_values(engine: torch.ScriptObject, profiles: int) -> list[list[list[list[int]]]]:
    """Returns for each profile sets of values of the inputs that are read on the host: the ends, and some between."""
    inputs = [ranges for _, ranges in _C.host_inputs(engine)]
    if not inputs:
        return [[] for _ in range(profiles)]

    def between(low: list[int], high: list[int], turn: int) -> list[int]:
        parts = [turn * (3 + i) % HOST_VALUES for i in range(len(low))]
        return [a + (b - a) * part // (HOST_VALUES - 1) for a, b, part in zip(low, high, parts, strict=True)]

    return [
        [
            *([ranges[profile][end] for ranges in inputs] for end in range(3)),
            *([between(one[profile][0], one[profile][2], turn) for one in inputs] for turn in range(HOST_VALUES)),
        ]
        for profile in range(profiles)
    ]
