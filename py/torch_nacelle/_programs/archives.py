"""Checks the archive of a program before torch reads it, since torch's reader says little about a damaged one."""

import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeAlias, TypeVar

import nacelle_core
from nacelle_cli.reading import programs
from nacelle_cli.reading.archives import Archive, check_start, first_bytes
from torch_nacelle.errors import Error, InputError, PlanError, RecordError

PathLike: TypeAlias = str | os.PathLike[str]
ProgramSource: TypeAlias = PathLike | IO[bytes]

_Loaded = TypeVar("_Loaded")


class SourceFile:
    """A file, or the bytes of an open one.

    Attributes:
        name: Its name in messages.
        path: Its path; None for an open file.
        content: The rest of an open file; empty for a path.
    """

    def __init__(self, source: ProgramSource) -> None:
        """Finds a file; an open one is read from where it is to its end.

        Raises:
            InputError: `source` is no file.
            FileNotFoundError: There is none.
        """
        self.path: Path | None = None
        self.content = b""
        if isinstance(source, (str, os.PathLike)):
            self.path = Path(source)
            self.name = str(self.path)
            if not self.path.exists():
                raise FileNotFoundError(f"there is no file {self.path}")
        else:
            self.name = str(getattr(source, "name", f"the {type(source).__name__}"))
            self.content = _rest_of(source)


class ProgramFile(SourceFile):
    """A file that should hold a TorchScript program, or the bytes of an open one.

    Attributes:
        extra_files: Names of the files that ``torch.jit.save(..., _extra_files=...)`` put beside the program.
    """

    def __init__(self, source: ProgramSource, *, every_entry: bool) -> None:
        """Looks into a file; an open one is read from where it is to its end.

        Args:
            source: The file.
            every_entry: True if each entry is compared to its checksum, which reads the whole file. torch does not.

        Raises:
            InputError: It is no TorchScript program, or damaged; or `source` is no file.
            OSError: It cannot be opened; FileNotFoundError if there is none.
        """
        super().__init__(source)
        with as_our_errors(), self._opened() as archive:
            programs.check(archive)
            if every_entry:
                archive.check_entries()
            self.extra_files = [name.removeprefix("extra/") for name in archive.names if name.startswith("extra/")]

    def load(self, load: Callable[[], _Loaded]) -> _Loaded:
        """Returns the result of `load`. An error of torch, of any class, is an InputError that names the entry.

        Raises:
            InputError: torch cannot read the program.
            OSError: The file cannot be read.
        """
        try:
            return load()
        except (Error, OSError):
            raise
        except Exception as error:
            with as_our_errors(), self._opened() as archive:
                archive.check_entries()
                where = entry_of(error, archive)
            raise InputError(
                f"{self.name}{where} cannot be read as a TorchScript program: {reason_of(error)}"
            ) from error

    def _opened(self) -> Archive:
        if self.path is not None:
            check_start(self.path, first_bytes(self.path))
            return Archive(self.path)
        check_start(self.name, self.content[:8])
        return Archive(Path(self.name), io.BytesIO(self.content))


def _message(error: Exception) -> str:
    """The error's words. Those of torch have bytes of the program in them: pybind fails if they are not UTF-8."""
    if isinstance(error, UnicodeDecodeError):
        return error.object.decode("utf-8", "backslashreplace")
    return "there is not enough memory" if isinstance(error, MemoryError) else str(error)


def reason_of(error: Exception) -> str:
    return next((line for line in _message(error).splitlines() if line.strip()), f"{type(error).__name__}")


def entry_of(error: Exception, archive: Archive) -> str:
    """The file of source code that torch was at, for a message; empty if its words do not tell."""
    named = re.findall(r"code/[^\s\"]+\.py", _message(error))
    return next((f": entry {name}" for name in named if name in archive), "")


def _rest_of(source: object) -> bytes:
    """The rest of an open file.

    Raises:
        InputError: `source` is no file that is open for reading bytes.
    """
    read = getattr(source, "read", None)
    if not callable(read):
        hint = ", open the bytes with io.BytesIO" if isinstance(source, (bytes, bytearray, memoryview)) else ""
        raise InputError(f"found {type(source).__name__}; wanted a path or a file that is open for reading bytes{hint}")
    content = read()
    if not isinstance(content, bytes):
        raise InputError(f"reading the {type(source).__name__} gives {type(content).__name__}; open the file with 'rb'")
    return content


@contextmanager
def as_our_errors() -> Iterator[None]:
    """Turns errors of reading a file into errors of this package."""
    try:
        yield
    except Error:
        raise
    except nacelle_core.RecordError as error:
        raise RecordError(str(error)) from error
    except nacelle_core.PlanError as error:
        raise PlanError(str(error)) from error
    except nacelle_core.Error as error:
        raise InputError(str(error)) from error
