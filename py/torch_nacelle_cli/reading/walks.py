"""Walks through what a program's pickle holds: to its engines, its modules, its tensors and plain values."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch_nacelle_cli.reading import pickles, texts
from torch_nacelle_cli.reading.errors import ReadingError
from torch_nacelle_cli.reading.sources import ENGINE_TYPE, Source

# More values than this in a program are taken for an attack; torch would need days for them.
_MOST_VALUES = 5_000_000


@dataclass
class Tensors:
    """Tensors of one sort: how many, their elements, and the bytes behind them, each counted once."""

    count: int = 0
    elements: int = 0
    size: int = 0
    dtypes: Counter[str] = field(default_factory=Counter)
    devices: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class HeldTensor:
    """A tensor of the program: what it is to the module that holds it, and the archive's entry with its bytes."""

    sort: str
    dtype: str
    shape: tuple[int, ...]
    entry: str


@dataclass
class Module:
    """A module of the program, with those within it."""

    name: str
    type: str
    engines: list[str] = field(default_factory=list)
    parameters: int = 0
    children: list[Module] = field(default_factory=list)


class Finder:
    """Finds engines as runtime/program.cc does: values depth first, a container that is reached twice entered once."""

    def __init__(self, source: Source, constants: tuple[Any, ...]) -> None:
        """For a program with this source code, and these constants in it."""
        self.source = source
        self.constants = constants
        self.entered: set[int] = set()
        self.values = 0

    def find(self, root: Any) -> list[tuple[str, pickles.Instance]]:
        """Every engine with its path.

        Raises:
            ReadingError: There are more values than any program has.
        """
        self.entered = set()
        return list(self._visit(root, ""))

    def _visit(self, value: Any, path: str) -> Iterator[tuple[str, pickles.Instance]]:
        self.values += 1
        if self.values > _MOST_VALUES:
            raise ReadingError(f"the program holds more than {_MOST_VALUES} values; this is no common program")
        if isinstance(value, pickles.Instance):
            yield from self._visit_object(value, path)
        elif isinstance(value, list | dict):
            if id(value) not in self.entered:
                self.entered.add(id(value))
                items = value.items() if isinstance(value, dict) else enumerate(value)
                for key, item in items:
                    yield from self._visit(item, f"{path}[{_key_text(key)}]")
        elif isinstance(value, tuple):
            for i, item in enumerate(value):
                yield from self._visit(item, f"{path}[{i}]")

    def _visit_object(self, value: pickles.Instance, path: str) -> Iterator[tuple[str, pickles.Instance]]:
        if value.type == ENGINE_TYPE:
            yield path, value
            return
        if id(value) in self.entered:
            return
        self.entered.add(id(value))
        prefix = f"{path}." if path else ""
        if isinstance(value.state, dict):
            for name, item in value.attributes.items():
                yield from self._visit(item, prefix + str(name))
        else:
            yield from self._visit(value.state, path)
        yield from self.visit_constants(value.type, prefix)

    def visit_constants(self, type_name: str, prefix: str) -> Iterator[tuple[str, pickles.Instance]]:
        """The engines among the constants that a class's methods use.

        When torch loads a method, it moves each constant to the start of its graph, in front of those that it moved
        before. The constant that is used last is therefore the first that runtime/program.cc finds.
        """
        used: dict[str, list[int]] = {}
        for method, index in self.source.constants(type_name):
            used.setdefault(method, []).append(index)
        for method, indices in used.items():
            number = 0
            for index in reversed(indices):
                constant = self.constants[index] if index < len(self.constants) else None
                found = list(self._visit(constant, f"{prefix}{method}:constant[{number}]"))
                number += 1 if found else 0
                yield from found


def _key_text(key: object) -> str:
    return texts.quoted(key) if isinstance(key, str) else str(key)


def modules(root: pickles.Instance, source: Source, finder: Finder) -> Module:
    """The tree of modules, each object once; the walk keeps its own stack, so that no depth is too much."""
    top = Module("", root.type)
    seen = {id(root)}
    todo = [(root, top)]
    while todo:
        instance, module = todo.pop()
        known = source.classes.get(instance.type)
        module.parameters = len(known.parameters) if known else 0
        if any(True for _ in finder.visit_constants(instance.type, "")):
            module.engines.append("a constant")
        for name, value in instance.attributes.items():
            if not isinstance(value, pickles.Instance):
                continue
            if value.type == ENGINE_TYPE:
                module.engines.append(str(name))
            elif value.type.startswith("__torch__.") and id(value) not in seen:
                seen.add(id(value))
                child = Module(str(name), value.type)
                module.children.append(child)
                todo.append((value, child))
    return top


@dataclass
class Contents:
    """Collects what modules hold: tensors by what they are to the module, and plain values."""

    source: Source
    sums: dict[str, Tensors] = field(
        default_factory=lambda: {sort: Tensors() for sort in ("parameters", "buffers", "others", "constants")}
    )
    tensors: dict[str, HeldTensor] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    seen: set[object] = field(default_factory=set)

    def add(self, value: Any, path: str, sort: str, entry: str) -> None:
        """Adds a value and what is in it; a container that is reached twice is entered once."""
        if isinstance(value, pickles.Tensor):
            self.tensors[path] = HeldTensor(sort, value.dtype, value.shape, f"{entry}/{value.storage.key}")
            self._sum(self.sums[sort], value, entry)
        elif isinstance(value, pickles.Instance | list | dict | tuple) and id(value) in self.seen:
            return
        elif isinstance(value, pickles.Instance):
            self.seen.add(id(value))
            self._add_instance(value, path, entry)
        elif isinstance(value, list | dict | tuple):
            self.seen.add(id(value))
            for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                self.add(item, f"{path}[{_key_text(key)}]", sort, entry)
        else:
            self.values[path] = texts.shown(value) if isinstance(value, str) else str(value)

    def _add_instance(self, value: pickles.Instance, path: str, entry: str) -> None:
        if value.type == ENGINE_TYPE:
            return
        known = self.source.classes.get(value.type)
        sorts = {}
        if known is not None:
            sorts = dict.fromkeys(known.parameters, "parameters") | dict.fromkeys(known.buffers, "buffers")
        if not isinstance(value.state, dict):
            self.add(value.state, path, "others", entry)
        for name, item in value.attributes.items():
            self.add(item, f"{path}.{name}" if path else str(name), sorts.get(name, "others"), entry)

    def _sum(self, total: Tensors, tensor: pickles.Tensor, entry: str) -> None:
        total.count += 1
        total.elements += math.prod(tensor.shape)
        total.dtypes[tensor.dtype] += 1
        total.devices[tensor.storage.device] += 1
        if (entry, tensor.storage) not in self.seen:
            self.seen.add((entry, tensor.storage))
            total.size += tensor.storage.size
