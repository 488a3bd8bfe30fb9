"""The engines inside programs: reading and converting them."""

import operator
import os
from collections.abc import Sequence

import torch

from nacelle_core import Record
from torch_nacelle import _C
from torch_nacelle._programs.archives import PathLike as PathLike
from torch_nacelle._programs.archives import ProgramSource as ProgramSource
from torch_nacelle._programs.engine_info import EngineInfo as EngineInfo
from torch_nacelle._programs.engine_info import engine_info
from torch_nacelle._programs.program_file import FileProgram
from torch_nacelle._runtime import checks
from torch_nacelle._runtime.files import replacing
from torch_nacelle._runtime.holders import require_program
from torch_nacelle.errors import InputError


class Program:
    """A program to be looked into: a file that is read, or a TorchScript module. Its engines are not set up.

    The file may be a TorchScript program, an exported program, or a package of AOTInductor.

    A file is held open, so what is read of it later is of one program, whatever takes its path meanwhile.
    """

    def __init__(self, module: torch.jit.ScriptModule, extra_files: dict[str, bytes] | None = None) -> None:
        """A program that is loaded, with the files that are to be saved beside it; ``read`` makes one of a file."""
        self._file: FileProgram | None = None
        self._module: torch.jit.ScriptModule | None = module
        self._extra_files: dict[str, bytes] | None = extra_files or {}

    @classmethod
    def _of_file(cls, file: FileProgram) -> "Program":
        program = cls.__new__(cls)
        program._file, program._module, program._extra_files = file, None, None
        return program

    @property
    def kind(self) -> str:
        """``"TorchScript program"``, ``"exported program"`` or ``"AOTInductor package"``."""
        return "TorchScript program" if self._file is None else self._file.kind

    @property
    def module(self) -> torch.jit.ScriptModule:
        """The module. Of a file it is loaded by torch when it is first asked for, with its tensors on the CPU.

        From then on the program is this module: engines are looked for in it, and ``save`` writes it. Loading can run
        code of the file, which has every right that the process has: a ``__setstate__``, defaults and constants that
        are computed. A file with such code is refused unless ``read`` was told to allow it.

        Raises:
            InputError: The file brings such code, or torch cannot read it; or it is no TorchScript program, and
                ``nacelle.load`` loads it.
        """
        if self._file is not None:
            self._extra_files = self.extra_files
            self._module = self._file.load()
            self._file = None
        assert self._module is not None
        return self._module

    @property
    def extra_files(self) -> dict[str, bytes]:
        """The files that were saved beside the program, by name. Changes of this dict are saved with the program."""
        if self._extra_files is None:
            assert self._file is not None
            self._extra_files = dict(self._file.extra_files)
        return self._extra_files

    @property
    def engines(self) -> list[EngineInfo]:
        """Every engine, in the order of the program's attributes; one that is held twice is listed twice."""
        if self._file is not None:
            return self._file.engines
        return [
            engine_info(site.path, Record.parse(site.fields), site, site.plan_size)
            for site in _C.find_engines(self.module._c)
        ]

    def engine(self, which: str) -> EngineInfo:
        """The engine at the path `which`, or of the name `which` if only one engine has it.

        Raises:
            InputError: There is none, or there are several; the message lists the program's engines.
        """
        engines = self.engines
        by_path = [engine for engine in engines if engine.path == which]
        found = by_path or [engine for engine in engines if engine.name == which]
        if len(found) == 1:
            return found[0]
        known = ", ".join(f"{engine.path} (name {engine.name!r})" for engine in engines) or "none"
        if not found:
            raise InputError(f"the program has no engine {which!r}; it has: {known}")
        raise InputError(f"{len(found)} engines of the program are named {which!r}: give a path; it has: {known}")

    def set_up(self, which: str) -> torch.ScriptObject:
        """Sets an engine up as loading the program does, without the rest of a file's program.

        Args:
            which: The engine's path, or its name if only one engine has it.

        Returns:
            The engine; its ``why_not_ready()`` is empty if it can run here.

        Raises:
            InputError: There is none, or there are several; the message lists the program's engines.
        """
        path = self.engine(which).path
        if self._file is not None:
            return self._file.engine(path)
        engine: torch.ScriptObject = operator.attrgetter(path)(self.module)
        return engine

    def convert(
        self, abi_version: int, drop: Sequence[str] = (), platform: str | None = None, layout: str | None = None
    ) -> None:
        """Rewrites every engine's record in place; all of them, or none if one cannot be. See ``convert``."""
        version = checks.whole_number(abi_version, "abi_version")
        fields = checks.texts(drop, "drop")
        name = None if platform is None else checks.text(platform, "platform")
        objects = None if layout is None else checks.text(layout, "layout")
        if self._file is not None:
            self._file.convert(version, fields, name, objects)
        elif objects is not None:
            raise InputError("a TorchScript module has no layouts of engines; leave layout out")
        else:
            _C.convert_engines(self.module._c, version, fields, name)

    def save(self, path: PathLike) -> None:
        """Writes the program and its extra files; `path` is whole at any time.

        Of a file, all but the records that were changed is copied as its bytes are.
        """
        with replacing(path) as temporary:
            if self._file is None:
                _C.save(self.module._c, os.fsencode(temporary), self.extra_files)
                return
            with temporary.open("wb") as file:
                self._file.write(file, self._extra_files)


def read(source: ProgramSource | torch.jit.ScriptModule, *, allow_code: bool = False) -> Program:
    """Reads a program without setting up its engines: needs no GPU and no TensorRT, and runs nothing of it.

    A file is read as data. torch loads it only if the result's ``module`` is asked for.

    Args:
        source: A file that ``torch.jit.save``, ``torch.export.save`` or AOTInductor wrote, as a path or open for
            reading bytes, or a TorchScript module.
        allow_code: True if ``module`` may load a file that brings code which loading it runs. Give it for files that
            you trust as you trust programs that you run.

    Returns:
        The program.

    Raises:
        InputError: The file is no program, or an entry of it is not what its checksum says.
        RecordError: A record in it is damaged, or of a version that is not known.
        FileNotFoundError: There is no such file.
    """
    if isinstance(source, torch.jit.ScriptModule):
        return Program(source)
    if isinstance(source, torch.nn.Module):
        require_program(source)
        raise InputError(
            f"found {type(source).__name__}, which holds programs; wanted one of them, a path, or a file that is open "
            "for reading bytes"
        )
    return Program._of_file(FileProgram(source, allow_code=checks.truth(allow_code, "allow_code")))


def convert(
    source: ProgramSource,
    destination: PathLike,
    *,
    abi_version: int,
    drop: Sequence[str] = (),
    platform: str | None = None,
    layout: str | None = None,
) -> None:
    """Copies a program with the records of its engines in another version; all else stays as it is, byte for byte.

    Nothing of the program is run.
    `destination` is written to a temporary name and moved, so it is whole at any time; it may be `source`. To fill
    fields that a newer version adds, engines that can run on this machine are set up: their plans tell the binding
    names, which outputs need an allocator and which share memory with inputs. An engine that cannot be set up here is
    converted with what its record says.

    Args:
        source: A file that ``torch.jit.save``, ``torch.export.save`` or AOTInductor wrote, as a path or open for
            reading bytes.
        destination: The file to write.
        abi_version: The version to write, 3 to 10.
        drop: Names of fields whose loss is accepted if that version lacks them, for instance ``["metadata"]``.
        platform: The platform that the plans were built for, for versions from 6 on; see ``embed``. Left out: what
            the record states, else this machine's. Torch-TensorRT runs only what states the platform that it runs on.
        layout: The layout of engines in an exported program: ``"custom"`` (``custom_obj_0``, torch's pickle of the C++
            object, which every torch reads) or ``"opaque"`` (``opaque_obj_0``, the Python pickle that Torch-TensorRT
            2.13 writes, which torch 2.13 and newer read). Left out: the layout that each has.

    Raises:
        RecordError: Fields that the version cannot keep and that `drop` does not name; the message names each.
        InputError: There is no such platform or layout, or `source` is no program, or is damaged.
        FileNotFoundError: There is no such file.
    """
    program = Program._of_file(FileProgram(source))
    program.convert(abi_version, drop, platform, layout)
    program.save(destination)
