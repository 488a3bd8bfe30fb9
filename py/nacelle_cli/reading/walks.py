"""Walks through the values in a program's pickle, to its engines, modules, tensors and plain values."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from nacelle_cli.reading import limits, pickles, texts
from nacelle_cli.reading.archives import Archive
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.sources import ENGINE_TYPE, SourceCode

# Characters that the text of one value has at most: of a call, what it is called with is within it.
_LONGEST_CALL = 1 << 12


@dataclass
class Tensors:
    """Tensors of one sort: how many, their elements, and the bytes behind them, each counted once."""

    count: int = 0
    elements: int = 0
    size: int = 0
    dtypes: Counter[str] = field(default_factory=Counter)
    devices: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class HeldTensor:
    """A tensor of the program: its role in the module that holds it, and the archive's entry with its bytes."""

    sort: str
    dtype: str
    shape: tuple[int, ...]
    entry: str


@dataclass(slots=True)
class Module:
    """A module of the program, with those within it."""

    name: str
    type: str
    engines: list[str] = field(default_factory=list)
    parameters: int = 0
    children: list[Module] = field(default_factory=list)


class Effort:
    """Counts the values that a walk visits, and ends the walk at a limit."""

    def __init__(self, where: str, allowed: limits.Limits) -> None:
        """Counts for one file, whose name in messages is `where`."""
        self._where = where
        self._allowed = allowed
        self._values = 0
        self._paths = 0

    def visit(self, path: str) -> None:
        """Counts a value at a path.

        Raises:
            ReadingError: There are more values, or longer paths to them, than a limit allows.
        """
        self._values += 1
        self._paths += len(path)
        if self._values > self._allowed.values:
            raise limits.exceeded(self._where, "values", self._values, self._allowed.values)
        if self._paths > self._allowed.paths:
            raise limits.exceeded(self._where, "characters of paths to values", self._paths, self._allowed.paths)


class Finder:
    """Finds engines as runtime/program.cc does: values depth first, a container that is reached twice entered once."""

    def __init__(self, source: SourceCode, constants: tuple[Any, ...], effort: Effort, archive: Archive) -> None:
        """Finds the engines of a program with this source code, whose constants are `constants`."""
        self.source = source
        self.constants = constants
        self.effort = effort
        self.archive = archive
        self.entered: set[int] = set()

    def find(self, root: Any) -> list[tuple[str, pickles.Instance]]:
        """Every engine with its path.

        Raises:
            ReadingError: There are more values than any program has, or values that torch would not make of them.
        """
        self.entered = set()
        return list(self._visit(root, ""))

    def _visit(self, value: Any, path: str) -> Iterator[tuple[str, pickles.Instance]]:
        self.effort.visit(path)
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
        elif isinstance(value, pickles.Tensor):
            for folder in ("data", "constants"):
                self.archive.check_letters(f"{folder}/{value.storage.key}")
        elif isinstance(value, pickles.Call):
            self._check_enum(value.function)

    def _check_enum(self, function: str) -> None:
        """Refuses a class that is called with a value, of which torch makes an object unless it is an enum."""
        self.source.check_reference(function)
        known = self.source.classes.get(function)
        if known is not None and known.base != "Enum":
            raise ReadingError(
                f"{self.archive.path}: data.pkl: class {texts.quoted(function)} is called; wanted an enum"
            )

    def _visit_object(self, value: pickles.Instance, path: str) -> Iterator[tuple[str, pickles.Instance]]:
        if value.type == ENGINE_TYPE:
            yield path, value
            return
        if id(value) in self.entered:
            return
        self.entered.add(id(value))
        self._check_attributes(value)
        prefix = f"{path}." if path else ""
        if isinstance(value.state, dict):
            for name, item in value.attributes.items():
                yield from self._visit(item, prefix + str(name))
        else:
            yield from self._visit(value.state, path)
        yield from self.visit_constants(value.type, prefix)

    def _check_attributes(self, value: pickles.Instance) -> None:
        """Refuses attributes that the class does not have: torch would not read them."""
        self.source.check_reference(value.type)
        known = self.source.classes.get(value.type)
        if known is None or "__setstate__" in known.methods:
            return
        for name in value.attributes:
            if name not in known.attributes:
                raise ReadingError(
                    f"{self.archive.path}: data.pkl: an object of class {texts.quoted(value.type)} has the attribute "
                    f"{texts.quoted(str(name))}, which its class does not declare"
                )

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


def _value_text(value: object) -> str:
    """A plain value as text; of a long text, its size."""
    if isinstance(value, str):
        return texts.shown(value)
    if isinstance(value, pickles.LongText):
        return f"a text of {value.size} bytes"
    return _call_text(value) if isinstance(value, pickles.Call) else str(value)


def _call_text(call: pickles.Call) -> str:
    """A call with its arguments, cut off if it is long: ``torch.device("cpu")``."""
    parts: list[str] = []
    size = 0
    todo: list[Any] = [call]
    while todo and size < _LONGEST_CALL:
        value = todo.pop()
        if isinstance(value, pickles.Call):
            todo += [_Text(")"), *reversed(value.arguments), _Text(f"{texts.shown(value.function)}(")]
            continue
        if isinstance(value, list | tuple):
            todo += [_Text("]"), *reversed(value), _Text("[")]
            continue
        if isinstance(value, pickles.Tensor):
            text = f"{value.dtype}{list(value.shape)}"
        elif isinstance(value, dict | pickles.Instance):
            text = type(value).__name__
        else:
            text = value if isinstance(value, _Text) else _key_text(value)
        size += len(text) + 1
        parts.append(text)
    return " ".join(parts) + (" …" if todo else "")


class _Text(str):
    """A text that is no value."""


def _key_text(key: object) -> str:
    return texts.quoted(key) if isinstance(key, str) else str(key)


def modules(root: pickles.Instance, source: SourceCode, finder: Finder) -> Module:
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
    """Collects the values that modules hold: tensors by their role in the module, and plain values."""

    source: SourceCode
    effort: Effort
    sums: dict[str, Tensors] = field(
        default_factory=lambda: {sort: Tensors() for sort in ("parameters", "buffers", "others", "constants")}
    )
    tensors: dict[str, HeldTensor] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    seen: set[object] = field(default_factory=set)

    def add(self, value: Any, path: str, sort: str, entry: str) -> None:
        """Adds a value and the values in it; a container that is reached twice is entered once.

        Raises:
            ReadingError: There are more values than any program has.
        """
        self.effort.visit(path)
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
            self.values[path] = _value_text(value)

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
