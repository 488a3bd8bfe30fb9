"""A program as a whole: engines, modules, tensors, signatures, operators, and the files beside it."""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch_nacelle_cli.reading import archives, pickles, plans, records, texts
from torch_nacelle_cli.reading.errors import ReadingError
from torch_nacelle_cli.reading.sources import ENGINE_TYPE, Signature, Source

# More values than this in a program are taken for an attack; torch would need days for them.
_MOST_VALUES = 5_000_000
_LONGEST_FIELD = 64 << 20


@dataclass(frozen=True)
class Engine:
    """An engine in a program.

    Attributes:
        path: Where the program holds it, as ``nacelle.EngineInfo.path`` has it.
        record: Its record; None where it is damaged, and then `problem` says how.
        plan: What is known of its plan; None where it cannot be found.
        problem: What is wrong with the record; else empty.
    """

    path: str
    record: records.Record | None
    plan: plans.Plan | None
    problem: str


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


@dataclass
class Program:
    """What a program's file tells.

    Attributes:
        path: The file.
        size: Its bytes.
        folder: The folder in the archive, which torch names after the file that it saved.
        forward: The signature of forward; None where there is none.
        methods: The other methods of the outermost module.
        engines: In the order of the program's attributes; one that is held twice is there twice.
        tensors: ``parameters``, ``buffers``, ``others`` and ``constants``, in sum.
        held: Each tensor by its path.
        values: Plain values that modules hold, as text, by path.
        code: A digest of each class and function, by its name.
        operators: What forward calls, by count.
        modules: The outermost module.
        extra_files: Bytes of each file that was saved beside the program, by name.
        problems: What could not be read, for a person.
    """

    path: Path
    size: int
    folder: str
    forward: Signature | None = None
    methods: list[Signature] = field(default_factory=list)
    engines: list[Engine] = field(default_factory=list)
    tensors: dict[str, Tensors] = field(default_factory=dict)
    held: dict[str, HeldTensor] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    operators: Counter[str] = field(default_factory=Counter)
    modules: Module = field(default_factory=lambda: Module("", ""))
    extra_files: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


Advance = Callable[[int], None]


def is_program(path: Path) -> bool:
    """Whether a file begins as a program does, which is a zip archive.

    Raises:
        ReadingError: The file is empty, or no regular file.
    """
    with path.open("rb") as file:
        first = file.read(4)
        regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    if not regular:
        raise ReadingError(
            f"{path} is no file that can be read twice, but a pipe or a device; copy it into a file first"
        )
    if not first:
        raise ReadingError(f"{path} is empty; wanted a program that torch.jit.save wrote, or a plan")
    return first == archives.MAGIC


def read(path: Path) -> Program:
    """Reads a program.

    Raises:
        ReadingError: It is none, or damaged in a way that leaves nothing to tell.
        OSError: The file cannot be read.
    """
    with archives.Archive(path) as archive:
        _check_kind(archive)
        root = _load_pickle(archive, "data.pkl")
        if not isinstance(root, pickles.Instance):
            raise ReadingError(f"{path}: data.pkl holds {type(root).__name__} and no module; this is no program")
        reader = _Reader(archive, root)
        try:
            return reader.read()
        except RecursionError as error:
            raise ReadingError(
                f"{path}: its values are nested too deeply to be read; this is no common program"
            ) from error


def _load_pickle(archive: archives.Archive, name: str) -> Any:
    with archive.open(name) as stream:
        try:
            return pickles.load(stream, f"{archive.path}: {name}")
        except archives.DAMAGE as error:
            raise ReadingError(f"{archive.path}: {name} cannot be read: {error}; copy the file again") from error


def hash_entries(path: Path, entries: Iterable[str]) -> dict[str, str]:
    """The sha256 of entries of a program's archive, such as those that ``HeldTensor.entry`` names."""
    digests = {}
    with archives.Archive(path) as archive:
        for entry in dict.fromkeys(entries):
            digest = hashlib.sha256()
            for block in archive.blocks(entry, 0, archive.size(entry)) if entry in archive else ():
                digest.update(block)
            digests[entry] = digest.hexdigest()
    return digests


def _check_kind(archive: archives.Archive) -> None:
    if "data.pkl" in archive and "constants.pkl" in archive:
        return
    if "data.pkl" in archive:
        what = "what torch.save wrote (tensors or other objects)"
    elif any(name.startswith("models/") or name.endswith("/model.json") for name in archive.names):
        what = "an exported program (torch.export.save)"
    else:
        what = "some other zip archive"
    raise ReadingError(f"{archive.path} is {what} and no TorchScript program; give a file that torch.jit.save wrote")


class _Reader:
    def __init__(self, archive: archives.Archive, root: pickles.Instance) -> None:
        self.archive = archive
        self.root = root
        self.program = Program(archive.path, archive.path.stat().st_size, archive.folder)
        self.source = Source()
        self.constants: tuple[Any, ...] = ()
        self.known_plans: dict[int, Engine] = {}
        self.values = 0

    def read(self) -> Program:
        program = self.program
        self._read_source()
        self._read_constants()
        finder = _Finder(self.source, self.constants)
        program.engines = [self._engine(path, instance) for path, instance in finder.find(self.root)]
        program.modules = _modules(self.root, self.source, finder)
        contents = _Contents(self.source)
        contents.add(self.root, "", "others", "data")
        for i, constant in enumerate(self.constants):
            contents.add(constant, f"CONSTANTS.c{i}", "constants", "constants")
        program.tensors, program.held, program.values = contents.sums, contents.tensors, contents.values
        program.code = self.source.digests
        program.forward = self.source.signature(self.root.type, "forward")
        methods = self.source.classes[self.root.type].methods if self.root.type in self.source.classes else {}
        signatures = (self.source.signature(self.root.type, name) for name in methods if name != "forward")
        program.methods = [signature for signature in signatures if signature]
        program.operators = self.source.operators(self.root.type, "forward")
        program.extra_files = {
            name.removeprefix("extra/"): self.archive.size(name)
            for name in self.archive.names
            if name.startswith("extra/")
        }
        program.problems += self.source.problems
        return program

    def _read_source(self) -> None:
        for name in self.archive.names:
            if name.startswith("code/") and name.endswith(".py"):
                module = name.removeprefix("code/").removesuffix(".py").replace("/", ".")
                self.source.add(module, self.archive.read(name).decode("utf-8", "backslashreplace"))

    def _read_constants(self) -> None:
        found = _load_pickle(self.archive, "constants.pkl")
        self.constants = tuple(found) if isinstance(found, tuple | list) else ()

    def _engine(self, path: str, instance: pickles.Instance) -> Engine:
        known = self.known_plans.get(id(instance))
        if known is None:
            entry = "constants.pkl" if ":constant[" in path else "data.pkl"
            known = self.known_plans[id(instance)] = self._read_engine(path, entry, instance)
        return Engine(path, known.record, known.plan, known.problem)

    def _read_engine(self, path: str, entry: str, instance: pickles.Instance) -> Engine:
        record, plan, problem = None, None, ""
        try:
            fields = list(instance.state) if isinstance(instance.state, list | tuple) else []
            version = records.read_version(fields)
            stored = self._plan_bytes(entry, fields[records.ENGINE], encoded=version >= 4)
            record = records.parse([self._text(entry, field) for field in fields])
            plan = self._read_plan(stored, version)
        except ReadingError as error:
            problem = str(error)
        return Engine(path, record, plan, problem)

    def _read_plan(self, stored: plans.PlanBytes, version: int) -> plans.Plan:
        where = f"record of ABI version {version}, field {records.ENGINE} (engine): "
        if stored.stored_size == 0:
            raise ReadingError(where + "the plan is empty; wanted a serialized engine")
        try:
            return plans.read(stored)
        except ReadingError as error:
            raise ReadingError(where + str(error)) from error

    def _plan_bytes(self, entry: str, field: object, encoded: bool) -> plans.PlanBytes:
        if isinstance(field, pickles.LongText):
            start = field.start
            return plans.PlanBytes(
                field.size, lambda offset, size: self.archive.part(entry, start + offset, size), encoded
            )
        return plans.of_bytes(texts.to_bytes(field) if isinstance(field, str) else b"", encoded)

    def _text(self, entry: str, field: object) -> str:
        """A field's text; the plan's, if it is long, is not read."""
        if isinstance(field, pickles.LongText) and field.size <= _LONGEST_FIELD:
            return texts.from_bytes(self.archive.part(entry, field.start, field.size))
        return field if isinstance(field, str) else ""


class _Finder:
    """Finds engines as runtime/program.cc does: values depth first, a container that is reached twice entered once."""

    def __init__(self, source: Source, constants: tuple[Any, ...]) -> None:
        self.source = source
        self.constants = constants
        self.entered: set[int] = set()
        self.values = 0

    def find(self, root: Any) -> list[tuple[str, pickles.Instance]]:
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
        yield from self._visit_constants(value.type, prefix)

    def _visit_constants(self, type_name: str, prefix: str) -> Iterator[tuple[str, pickles.Instance]]:
        numbers: Counter[str] = Counter()
        for method, index in self.source.constants(type_name):
            constant = self.constants[index] if index < len(self.constants) else None
            found = list(self._visit(constant, f"{prefix}{method}:constant[{numbers[method]}]"))
            numbers[method] += 1 if found else 0
            yield from found


def _key_text(key: object) -> str:
    return texts.quoted(key) if isinstance(key, str) else str(key)


def _modules(root: pickles.Instance, source: Source, finder: _Finder) -> Module:
    """The tree of modules, each object once; the walk keeps its own stack, so that no depth is too much."""
    top = Module("", root.type)
    seen = {id(root)}
    todo = [(root, top)]
    while todo:
        instance, module = todo.pop()
        known = source.classes.get(instance.type)
        module.parameters = len(known.parameters) if known else 0
        if any(True for _ in finder._visit_constants(instance.type, "")):
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
class _Contents:
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
        elif isinstance(value, pickles.Instance | list | dict) and id(value) in self.seen:
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
