"""A program as a whole: engines, modules, tensors, signatures, operators, and the files beside it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nacelle_core
from nacelle_cli.reading import archives, limits, pickles, plans, texts, walks
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.sources import Signature, SourceCode
from nacelle_core import ENGINE_FIELD, Record


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine in a program.

    Attributes:
        path: Its path in the program, in the form of ``nacelle.EngineInfo.path``.
        record: Its record; None if it is damaged, and then `problem` says how.
        plan: The facts about its plan; None if it cannot be found.
        problem: The fault of the record; else empty.
    """

    path: str
    record: Record | None
    plan: plans.Plan | None
    problem: str


@dataclass
class Program:
    """The facts in a program's file.

    Attributes:
        path: The file.
        size: Its bytes.
        folder: The folder in the archive, which torch names after the file that it saved.
        forward: The signature of forward; None if there is none.
        methods: The other methods of the outermost module.
        engines: In the order of the program's attributes; one that is held twice is there twice.
        tensors: ``parameters``, ``buffers``, ``others`` and ``constants``, in sum.
        held: Each tensor by its path.
        values: Plain values that modules hold, as text, by path.
        code: A digest of each class and function, by its name.
        operators: The number of calls that forward makes to each operator.
        modules: The outermost module.
        extra_files: Bytes of each file that was saved beside the program, by name.
        problems: The parts that could not be read, for a person.
    """

    path: Path
    size: int
    folder: str
    forward: Signature | None = None
    methods: list[Signature] = field(default_factory=list)
    engines: list[Engine] = field(default_factory=list)
    tensors: dict[str, walks.Tensors] = field(default_factory=dict)
    held: dict[str, walks.HeldTensor] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    operators: Counter[str] = field(default_factory=Counter)
    modules: walks.Module = field(default_factory=lambda: walks.Module("", ""))
    extra_files: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def is_program(path: Path) -> bool:
    """True if a file begins as a zip archive does, and so may be a program.

    Raises:
        ReadingError: The file is empty, a folder, or no regular file.
    """
    return archives.first_bytes(path).startswith(archives.MAGIC)


def read(path: Path) -> Program:
    """Reads a program.

    Raises:
        ReadingError: It is no program, or so damaged that nothing can be told.
        OSError: The file cannot be read.
    """
    with archives.Archive(path) as archive, without_recursion(path):
        return Reader(archive).read()


def check(archive: archives.Archive) -> None:
    """Raises ReadingError if the archive is no program, if torch would read another one, or if it is over a limit."""
    with without_recursion(archive.path):
        Reader(archive).find_engines()


@contextmanager
def without_recursion(path: Path) -> Iterator[None]:
    """Turns a RecursionError within into a ReadingError: raised limits admit values that Python cannot walk through."""
    try:
        yield
    except RecursionError as error:
        raise ReadingError(f"{path}: its values are nested too deeply to be read; this is no common program") from error


def _load_pickle(archive: archives.Archive, name: str, watch: pickles.Watch | None) -> Any:
    with archive.open(name) as stream:
        return pickles.load(stream, name, str(archive.path), archive.limits, watch)


def _load_root(archive: archives.Archive, watch: pickles.Watch | None) -> pickles.Instance:
    root = _load_pickle(archive, "data.pkl", watch)
    if not isinstance(root, pickles.Instance):
        raise ReadingError(f"{archive.path}: data.pkl holds {type(root).__name__} and no module; this is no program")
    return root


def record_version(fields: Sequence[object]) -> int:
    """The version of a record, once its number of fields is checked.

    Raises:
        nacelle_core.RecordError: The version is unknown, or has another number of fields.
    """
    first = fields[0] if fields else ""
    return nacelle_core.record_version(texts.to_bytes(first) if isinstance(first, str) else b"", len(fields))


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


class Reader:
    """Reads a program, a part of it at a time."""

    def __init__(self, archive: archives.Archive, watches: Mapping[str, pickles.Watch] | None = None) -> None:
        """Reads pickles and source code.

        Args:
            archive: The program; it must stay open.
            watches: Callbacks that watch the reading of a pickle, by the pickle's name.
        """
        watches = watches or {}
        archive.check_kind()
        self.archive = archive
        self.root = _load_root(archive, watches.get("data.pkl"))
        self.program = Program(archive.path, archive.file_size, archive.folder)
        self.source = SourceCode(str(archive.path), archive.limits)
        self.known: dict[int, Engine] = {}  # by the engine's identity: a record is read once
        self.plans: dict[tuple[object, bool], plans.Plan] = {}  # by the field: several records may share one
        self.fields = 0  # bytes of records beside their plans
        self._read_source()
        found = _load_pickle(archive, "constants.pkl", watches.get("constants.pkl"))
        self.constants = tuple(found) if isinstance(found, tuple | list) else ()
        self.finder = walks.Finder(self.source, self.constants, self._effort(), archive)

    def read(self) -> Program:
        """Reads all facts about the program."""
        self._read_values()
        self._read_signatures()
        program = self.program
        program.code = self.source.digests
        program.operators = self.source.operators(self.root.type, "forward")
        program.problems += self.source.problems
        program.extra_files = {
            name.removeprefix("extra/"): self.archive.size(name)
            for name in self.archive.names
            if name.startswith("extra/")
        }
        return program

    def find_engines(self) -> list[tuple[str, pickles.Instance]]:
        """Every engine with its path. A program that torch would read in another way is refused."""
        self.source.check_references()
        found = self.finder.find(self.root)
        if len(found) > self.archive.limits.engines:
            where = f"{self.archive.path}: data.pkl"
            raise limits.exceeded(where, "engines", len(found), self.archive.limits.engines)
        return found

    def _effort(self) -> walks.Effort:
        return walks.Effort(f"{self.archive.path}: data.pkl", self.archive.limits)

    def _read_values(self) -> None:
        program = self.program
        program.engines = [self._engine(path, instance) for path, instance in self.find_engines()]
        program.modules = walks.modules(self.root, self.source, self.finder)
        contents = walks.Contents(self.source, self._effort())
        contents.add(self.root, "", "others", "data")
        for i, constant in enumerate(self.constants):
            contents.add(constant, f"CONSTANTS.c{i}", "constants", "constants")
        program.tensors, program.held, program.values = contents.sums, contents.tensors, contents.values

    def _read_signatures(self) -> None:
        root = self.root.type
        known = self.source.classes.get(root)
        names = list(known.methods) if known else []
        signatures = {name: self.source.signature(root, name) for name in names}
        self.program.forward = signatures.pop("forward", None)
        self.program.methods = [signature for signature in signatures.values() if signature]

    def _read_source(self) -> None:
        names = [name for name in self.archive.names if name.startswith("code/") and name.endswith(".py")]
        total, allowed = sum(map(self.archive.size, names)), self.archive.limits.source
        if total > allowed:
            largest = max(names, key=self.archive.size)
            where = f"{self.archive.path}: with member {texts.quoted(largest)} of {self.archive.size(largest)} bytes"
            raise limits.exceeded(where, "bytes of source code", total, allowed)
        for name in names:
            module = name.removeprefix("code/").removesuffix(".py").replace("/", ".")
            self.source.add(module, self.archive.read(name).decode("utf-8", "backslashreplace"))

    def _engine(self, path: str, instance: pickles.Instance) -> Engine:
        known = self.known.get(id(instance))
        if known is None:
            known = self.known[id(instance)] = self._read_engine(path, instance)
        return Engine(path, known.record, known.plan, known.problem)

    def _read_engine(self, path: str, instance: pickles.Instance) -> Engine:
        fields = list(instance.state) if isinstance(instance.state, list | tuple) else []
        shorter = ["" if i == ENGINE_FIELD else self.text(field) for i, field in enumerate(fields)]
        record, plan, problem = None, None, ""
        try:
            version = record_version(fields)
            record = Record.parse([texts.to_bytes(text) for text in shorter], with_plan=False)
            plan = self._read_plan(fields[ENGINE_FIELD], version)
        except nacelle_core.Error as error:
            problem = str(error)
        return Engine(path, record, plan, problem)

    def _read_plan(self, field: object, version: int) -> plans.Plan:
        where = f"record of ABI version {version}, field {ENGINE_FIELD} (engine): "
        encoded = nacelle_core.holds_base64(version)
        key = (field, encoded)
        if isinstance(field, str | pickles.LongText) and key in self.plans:
            return self.plans[key]
        stored = self.plan_bytes(field, encoded)
        if stored.stored_size == 0:
            raise ReadingError(where + "the plan is empty; wanted a serialized engine")
        try:
            plan = self.plans[key] = plans.read(stored)
        except nacelle_core.Error as error:
            raise ReadingError(where + str(error)) from error
        return plan

    def plan_bytes(self, field: object, encoded: bool) -> plans.PlanBytes:
        """The plan in a record's field; nothing of it is read."""
        if isinstance(field, pickles.LongText):
            long = field
            return plans.PlanBytes(
                long.size, lambda offset, size: self.archive.part(long.entry, long.start + offset, size), encoded
            )
        return plans.of_bytes(texts.to_bytes(field) if isinstance(field, str) else b"", encoded)

    def text(self, field: object) -> str:
        """The text in a field beside the plan; empty if the field holds no text."""
        size = field.size if isinstance(field, pickles.LongText) else len(field) if isinstance(field, str) else 0
        self.fields += size
        if self.fields > self.archive.limits.fields:
            where = f"{self.archive.path}: data.pkl: with a field of {size} bytes"
            raise limits.exceeded(where, "bytes of records beside plans", self.fields, self.archive.limits.fields)
        if isinstance(field, pickles.LongText):
            return texts.from_bytes(self.archive.part(field.entry, field.start, field.size))
        return field if isinstance(field, str) else ""
