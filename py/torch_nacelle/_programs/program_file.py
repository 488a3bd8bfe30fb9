"""Reads and changes the engines in a program's file, without torch's reader, which would run code of the file.

C++ reads and makes records; ``nacelle_cli.reading`` finds them in the file, and writes others in their place.
"""

import functools
import tempfile
import weakref
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import torch

import nacelle_core
from nacelle_cli.reading import archive_copies, archives, code_at_load, engines, kinds, pieces
from nacelle_cli.reading.archives import Archive
from nacelle_cli.reading.containers.package_engines import PackageEngines
from nacelle_cli.reading.engines import Engine
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.pickle_edits import Text
from nacelle_core import PlanHeader, Record
from torch_nacelle import _C
from torch_nacelle._programs.archives import ProgramSource, SourceFile, as_our_errors, entry_of, reason_of
from torch_nacelle._programs.embed import wrap
from torch_nacelle._programs.engine_info import EngineInfo, engine_info
from torch_nacelle.errors import Error, InputError

_EXTRA = "extra/"


@dataclass(eq=False)
class _Plan:
    """A plan as ``EngineInfo`` wants it."""

    source: engines.Plan

    @property
    def plan(self) -> bytes:
        with as_our_errors():
            return self.source.read()

    def read_into(self, memory: memoryview) -> None:
        with as_our_errors():
            self.source.read_into(memory)

    @property
    def plan_release(self) -> str:
        with as_our_errors():
            return PlanHeader.parse(self.source.start, self.source.size).description


@dataclass
class _Record:
    """An engine's record as it is now.

    Attributes:
        fields: Its fields; the plan's has the beginning of the plan, which is all that records need of it.
        plan: The plan.
        changed: True if this is not what the file holds.
    """

    fields: list[bytes]
    plan: engines.Plan
    changed: bool = False

    @property
    def parsed(self) -> Record:
        """The record that the fields hold."""
        return Record.parse(self.fields)


class FileProgram:
    """The engines of a program's file, of whichever kind. Nothing of the file is run, but by ``load``."""

    def __init__(self, source: ProgramSource, *, allow_code: bool = False) -> None:
        """Reads a file: every entry is held against its checksum, and every record is checked.

        Args:
            source: A path, or a file that is open for reading bytes.
            allow_code: True if ``load`` may load a program that brings code which loading it runs.

        Raises:
            InputError: It is no program, or damaged; or `source` is no file.
            RecordError: A record is damaged.
            OSError: It cannot be opened; FileNotFoundError if there is none.
        """
        file = SourceFile(source)
        self.name = file.name
        self._allow_code = allow_code
        self._layout: str | None = None
        with as_our_errors():
            self._file = _opened(file)
        with as_our_errors():
            self.archive = Archive(Path(file.name), self._file)
            closing = weakref.finalize(self.archive, self._file.close)
            closing.atexit = False  # a daemon thread may be reading it then
            self._package = self._read_package()
            self._engines = self._package or self._read_torchscript()
            self._records: dict[engines.Engine, _Record] = {}
            for _, engine in self._engines.sites:
                if engine not in self._records:
                    self._records[engine] = _Record(_with_start(engine.fields, engine.plan), engine.plan)

    def _read_torchscript(self) -> engines.Engines:
        self.archive.check_kind()
        self.archive.check_entries()
        return engines.Engines(self.archive, nacelle_core.PLAN_START)

    def _read_package(self) -> PackageEngines | None:
        """The engines of an exported program or an AOTInductor package; None of another archive."""
        if not self.archive.package_kind():
            return None
        self.archive.check_entries()
        # The archives within this one are closed with the last plan in them, not with the stack.
        return PackageEngines(self.archive, ExitStack(), nacelle_core.PLAN_START)

    @property
    def kind(self) -> str:
        """``"TorchScript program"``, ``"exported program"`` or ``"AOTInductor package"``."""
        return self.archive.package_kind() or "TorchScript program"

    @property
    def engines(self) -> list[EngineInfo]:
        """Every engine, in the order of the program's attributes."""
        return [_info(path, self._records[engine]) for path, engine in self._engines.sites]

    @functools.cached_property
    def extra_files(self) -> dict[str, bytes]:
        """The files beside the program, by name."""
        with as_our_errors():
            return {
                name.removeprefix(_EXTRA): self.archive.read(name)
                for name in self.archive.names
                if name.startswith(_EXTRA)
            }

    def convert(self, version: int, drop: list[str], platform: str | None, layout: str | None = None) -> None:
        """Makes records of another version; of all engines, or of none if one cannot be converted.

        Args:
            version: The version to write.
            drop: Fields whose loss is accepted.
            platform: The platform of the plans; None: what the record states, else this machine's.
            layout: The layout of all engines in the file, ``"custom"`` or ``"opaque"``; None: those that they have.
        """
        self._check_layout(layout)
        made = {}
        for path, engine in self._engines.sites:
            if engine not in made:
                record = self._records[engine]
                plan = _Plan(record.plan)
                fields = _C.convert_record(
                    path, record.fields, version, drop, platform, record.plan.size, plan.read_into
                )
                other = self._check_texts(path, engine, fields, layout)
                made[engine] = _Record(fields, record.plan, record.changed or other or fields != record.fields)
        self._records |= made
        self._layout = layout or self._layout

    def _check_layout(self, layout: str | None) -> None:
        """Raises InputError if the file's engines cannot be in the layout."""
        if self._package is None:
            if layout is not None:
                raise InputError(
                    f"{self.name} is a {self.kind}, which has no layouts of engines; leave layout (--layout) out"
                )
            return
        if layout is not None:
            with as_our_errors():
                self._package.check_layout(layout)

    def _check_texts(self, path: str, engine: Engine, fields: list[bytes], layout: str | None) -> bool:
        """True if an engine gets another layout. Raises InputError if its new layout cannot hold its record."""
        if self._package is None:
            return False
        former = self._package.layout(engine)
        record = Record.parse(fields, with_plan=False)
        if (layout or former) == "opaque" and not record.encoded:
            raise InputError(
                f"{self.name}: engine {path} is in the layout opaque, a pickle of Python's texts, and a record of "
                f"version {record.version} has the plan's bytes as they are; convert to version 4 or newer, or to the "
                "layout custom (--layout custom)"
            )
        return layout not in (None, former)

    def replace_plan(self, path: str, plan: bytes) -> None:
        """Gives the engine at `path` another plan; its record stays as it is otherwise."""
        engine = dict(self._engines.sites)[path]
        made = engines.plan_of(plan, nacelle_core.PLAN_START)
        self._records[engine] = _Record(_with_start(self._records[engine].fields, made), made, changed=True)

    def remove_metadata(self) -> list[tuple[str, bytes]]:
        """Empties the metadata of every record. Returns the former metadata, with the engines' paths."""
        removed: dict[engines.Engine, tuple[str, bytes]] = {}
        for path, engine in self._engines.sites:
            record = self._records[engine]
            parsed = record.parsed
            if parsed.metadata:
                removed[engine] = (path, parsed.metadata)
                parsed.metadata = b""
                self._records[engine] = _Record(parsed.fields(), record.plan, changed=True)
        return list(removed.values())

    def write(self, file: IO[bytes], extra_files: dict[str, bytes] | None = None) -> None:
        """Writes the program: entries that changed are written anew, all others keep their bytes.

        Args:
            file: The file to write to.
            extra_files: The files to put beside the program; left out, those that are there.
        """
        with as_our_errors():
            changed = {engine: self._texts(record) for engine, record in self._records.items() if record.changed}
            changes: dict[str, Sequence[pieces.Piece] | None] = dict(
                self._engines.rewritten(changed)
                if self._package is None
                else self._package.rewritten(changed, self._layout)
            )
            if extra_files is not None and extra_files != self.extra_files:
                changes |= {name: None for name in self.archive.names if name.startswith(_EXTRA)}
                changes |= {_EXTRA + name: [pieces.of_bytes(content)] for name, content in extra_files.items()}
            archive_copies.write(self.archive, changes, file)

    def _texts(self, record: _Record) -> list[Text]:
        texts = [Text(pieces.of_bytes(field)) for field in record.fields]
        texts[nacelle_core.ENGINE_FIELD] = record.plan.text(record.parsed.encoded)
        return texts

    def load(self) -> torch.jit.ScriptModule:
        """Loads the program with torch, its engines not set up and its tensors on the CPU.

        Raises:
            InputError: It is of another kind; or it brings code that torch would run, and `allow_code` was not given;
                or torch cannot read it.
        """
        if self._package is not None:
            raise InputError(
                f"{self.name} is an {self.kind}, which is no TorchScript module: load it with torch_nacelle.load; "
                "engines, convert and save work without the module"
            )
        if not self._allow_code:
            self.check_code()
        if not any(record.changed for record in self._records.values()):
            return self._load(f"/proc/self/fd/{self._file.fileno()}")
        with tempfile.NamedTemporaryFile() as file:
            self.write(file)
            file.flush()
            return self._load(file.name)

    def engine(self, path: str) -> "torch.ScriptObject":
        """The engine at `path`, set up as it is when the program is loaded; the rest of the program is not."""
        record = self._records[dict(self._engines.sites)[path]]
        return opened_engine(record.fields, record.plan.size, _Plan(record.plan).read_into)

    def check_code(self) -> None:
        """Raises InputError if torch.jit.load would run code of the file."""
        with as_our_errors():
            reason = next(code_at_load.reasons(self.archive), None)
        if reason is not None:
            raise InputError(
                f"{self.name} brings code that loading it runs ({reason}); wanted a program that runs only when it is "
                "called: allow it with allow_code=True (--allow-code) if you trust the file"
            )

    def _load(self, path: str) -> torch.jit.ScriptModule:
        try:
            return wrap(_C.load(path, "cpu", {}))
        except (Error, OSError):
            raise
        except Exception as error:
            where, reason = entry_of(error, self.archive), reason_of(error)
            raise InputError(f"{self.name}{where} cannot be read as a TorchScript program: {reason}") from error


def _opened(file: SourceFile) -> IO[bytes]:
    """The file, open, so that another file which takes its path later does not matter. A file given open is copied."""
    if file.path is not None:
        _check_start(file.path)
        return file.path.open("rb")
    archives.check_start(file.name, file.content[:8])
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the archive
    copy.write(file.content)
    copy.flush()
    return copy


def _check_start(path: Path) -> None:
    """Raises an error if a file is no archive; for one that holds plans without records it says what to do."""
    first = archives.first_bytes(path)
    if first.startswith(archives.MAGIC):
        return
    with suppress(ReadingError), kinds.opened(path) as container:
        if container is not None:
            raise InputError(
                f"{path} is an {container.kind}, whose plans have no records to read or change; make a program of a "
                "plan with nacelle embed, or write it to a file of its own with nacelle extract"
            )
    archives.check_start(path, first)


def _with_start(fields: Sequence[bytes], plan: engines.Plan) -> list[bytes]:
    """The fields, the plan's with the beginning of `plan`."""
    record = Record.parse(fields, with_plan=False)
    record.plan = plan.start
    return record.fields()


def _info(path: str, record: _Record) -> EngineInfo:
    return engine_info(path, record.parsed, _Plan(record.plan), record.plan.size)


def opened_engine(fields: list[bytes], plan_size: int, read_into: Callable[[memoryview], None]) -> "torch.ScriptObject":
    """The engine of a record, set up if this machine can; `read_into` fills memory with its plan."""
    engine: torch.ScriptObject = wrap(_C.engine_module(fields, plan_size, read_into)).engine
    return engine
