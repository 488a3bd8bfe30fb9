"""A program as a whole: engines, modules, tensors, signatures, operators, and the files beside it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch_nacelle_cli.reading import archives, pickles, plans, records, texts, walks
from torch_nacelle_cli.reading.errors import ReadingError
from torch_nacelle_cli.reading.sources import Signature, Source

# What a record's field beside the plan may have.
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
    tensors: dict[str, walks.Tensors] = field(default_factory=dict)
    held: dict[str, walks.HeldTensor] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    operators: Counter[str] = field(default_factory=Counter)
    modules: walks.Module = field(default_factory=lambda: walks.Module("", ""))
    extra_files: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def is_program(path: Path) -> bool:
    """Whether a file begins as a program does, which is a zip archive.

    Raises:
        ReadingError: The file is empty, a folder, or no regular file.
    """
    return archives.first_bytes(path).startswith(archives.MAGIC)


def read(path: Path) -> Program:
    """Reads a program.

    Raises:
        ReadingError: It is none, or damaged in a way that leaves nothing to tell.
        OSError: The file cannot be read.
    """
    with archives.Archive(path) as archive:
        archive.check_kind()
        root = load_pickle(archive, "data.pkl")
        if not isinstance(root, pickles.Instance):
            raise ReadingError(f"{path}: data.pkl holds {type(root).__name__} and no module; this is no program")
        reader = _Reader(archive, root)
        try:
            return reader.read()
        except RecursionError as error:
            raise ReadingError(
                f"{path}: its values are nested too deeply to be read; this is no common program"
            ) from error


def load_pickle(archive: archives.Archive, name: str, watch: pickles.Watch | None = None) -> Any:
    """What a pickle of the program holds; see ``pickles.load``."""
    with archive.open(name) as stream:
        try:
            return pickles.load(stream, name, str(archive.path), watch)
        except archives.DAMAGE as error:
            raise archive.damaged(name, error) from error


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


class _Reader:
    def __init__(self, archive: archives.Archive, root: pickles.Instance) -> None:
        self.archive = archive
        self.root = root
        self.program = Program(archive.path, archive.path.stat().st_size, archive.folder)
        self.source = Source()
        self.constants: tuple[Any, ...] = ()
        self.known: dict[int, Engine] = {}  # by the engine's identity: a plan is read once

    def read(self) -> Program:
        self._read_source()
        self._read_constants()
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

    def _read_values(self) -> None:
        program = self.program
        finder = walks.Finder(self.source, self.constants)
        program.engines = [self._engine(path, instance) for path, instance in finder.find(self.root)]
        program.modules = walks.modules(self.root, self.source, finder)
        contents = walks.Contents(self.source)
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
        for module, text in source_files(self.archive):
            self.source.add(module, text)

    def _read_constants(self) -> None:
        found = load_pickle(self.archive, "constants.pkl")
        self.constants = tuple(found) if isinstance(found, tuple | list) else ()

    def _engine(self, path: str, instance: pickles.Instance) -> Engine:
        known = self.known.get(id(instance))
        if known is None:
            known = self.known[id(instance)] = self._read_engine(path, instance)
        return Engine(path, known.record, known.plan, known.problem)

    def _read_engine(self, path: str, instance: pickles.Instance) -> Engine:
        record, plan, problem = None, None, ""
        try:
            fields = list(instance.state) if isinstance(instance.state, list | tuple) else []
            version = records.read_version(fields)
            stored = plan_bytes(self.archive, fields[records.ENGINE], encoded=version >= records.FIRST_ENCODED)
            shorter = ["" if i == records.ENGINE else text_of(self.archive, field) for i, field in enumerate(fields)]
            record = records.parse(shorter)
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


def source_files(archive: archives.Archive) -> Iterator[tuple[str, str]]:
    """The source code in a program: the prefix of a file's names (``__torch__.torch.nn``), and its text."""
    for name in archive.names:
        if name.startswith("code/") and name.endswith(".py"):
            module = name.removeprefix("code/").removesuffix(".py").replace("/", ".")
            yield module, archive.read(name).decode("utf-8", "backslashreplace")


def plan_bytes(archive: archives.Archive, field: object, encoded: bool) -> plans.PlanBytes:
    """The plan in a record's field; nothing of it is read."""
    if isinstance(field, pickles.LongText):
        long = field
        return plans.PlanBytes(
            long.size, lambda offset, size: archive.part(long.entry, long.start + offset, size), encoded
        )
    return plans.of_bytes(texts.to_bytes(field) if isinstance(field, str) else b"", encoded)


def text_of(archive: archives.Archive, field: object) -> str:
    """The text in a record's field beside the plan; empty for what is no text."""
    if isinstance(field, pickles.LongText):
        if field.size > _LONGEST_FIELD:
            raise ReadingError(f"a field beside the plan has {field.size} bytes; wanted at most {_LONGEST_FIELD}")
        return texts.from_bytes(archive.part(field.entry, field.start, field.size))
    return field if isinstance(field, str) else ""
