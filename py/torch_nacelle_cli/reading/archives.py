"""The zip archive that a TorchScript program is, entry by entry."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

from torch_nacelle_cli.reading import regular, texts
from torch_nacelle_cli.reading.errors import ReadingError

MAGIC = b"PK\x03\x04"
# What Python's zipfile raises for a damaged archive. (RecursionError is a RuntimeError, but not raised there.)
DAMAGE = (zipfile.BadZipFile, EOFError, zlib.error, struct.error, NotImplementedError, RuntimeError, ValueError)
_FIRST = 8
# The first bytes of plans.
_PLANS = (b"ftrt", b"ptrt", b"vtrt", b"nref")
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # magic, lengths of name and extra field
_BLOCK = 1 << 20
# What an entry that is read as a whole may have: source code, a version. No program comes near it.
_MOST_AT_ONCE = 256 << 20


def first_bytes(path: Path) -> bytes:
    """The first bytes of a file, which tell what it is: ``MAGIC`` for a program.

    Raises:
        ReadingError: The file is empty, a folder, or no regular file.
        OSError: It cannot be opened.
    """
    if path.is_dir():
        raise ReadingError(f"{path} is a folder; wanted the file of a program that torch.jit.save wrote, or of a plan")
    regular.check(path)
    with path.open("rb") as file:
        first = file.read(_FIRST)
    if not first:
        raise ReadingError(f"{path} is empty; wanted a program that torch.jit.save wrote, or a plan")
    return first


def check_start(name: object, first: bytes) -> None:
    """Raises ReadingError where a file of that name and with these first bytes is no archive, and so no program."""
    if first.startswith(MAGIC):
        return
    found = f"it begins with {first.hex(' ')} ({texts.quoted(texts.from_bytes(first))})" if first else "it is empty"
    hint = ": make a program of the plan with nacelle embed" if first[:4] in _PLANS else ""
    raise ReadingError(
        f"{name} is no TorchScript program: {found}; wanted the zip archive that torch.jit.save writes{hint}"
    )


class Archive:
    """An open program. Names are without the folder that all entries are in: ``data.pkl``, ``code/…``.

    Use it in a ``with`` block; what was opened through it is valid within.
    """

    def __init__(self, path: Path, file: IO[bytes] | None = None) -> None:
        """Opens a file and reads its table of contents; `file`, where it is open already, is closed with this.

        Only an archive with a file of its own gives parts of entries.
        """
        self.path = path
        self._file = file or path.open("rb")
        try:
            self._zip = zipfile.ZipFile(self._file)
            self._check_start()
        except DAMAGE as error:
            self._file.close()
            raise ReadingError(
                f"{path} begins as a zip archive, and its table of contents cannot be read ({error}): it is cut off or "
                "damaged; copy it again, or save the program again"
            ) from error
        self._entries = self._by_name()

    def _check_start(self) -> None:
        """Refuses the table of an archive within the archive: what is left where a plan that is one was cut."""
        if min((info.header_offset for info in self._zip.infolist()), default=0) != 0:
            raise zipfile.BadZipFile("it is that of an archive inside of it")

    def _by_name(self) -> dict[str, zipfile.ZipInfo]:
        entries = {}
        self.folder = ""
        for info in self._zip.infolist():
            folder, slash, name = info.filename.partition("/")
            if slash and name:
                self.folder = self.folder or folder
                entries[name] = info
        return entries

    def __enter__(self) -> Archive:
        """Gives itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the file."""
        self._zip.close()
        self._file.close()

    @property
    def names(self) -> list[str]:
        """The entries, in the archive's order."""
        return list(self._entries)

    def __contains__(self, name: str) -> bool:
        """Whether there is such an entry."""
        return name in self._entries

    def check_kind(self) -> None:
        """Raises ReadingError where the archive is no program."""
        if "data.pkl" in self and "constants.pkl" in self:
            return
        if "data.pkl" in self:
            what = "what torch.save wrote (tensors or other objects)"
        elif any(name.startswith("models/") or name.endswith("/model.json") for name in self.names):
            what = "an exported program (torch.export.save)"
        else:
            what = "some other zip archive"
        raise ReadingError(f"{self.path} is {what} and no TorchScript program; give a file that torch.jit.save wrote")

    def check_entries(self) -> None:
        """Reads every entry to its end, and raises ReadingError for the first that is not what its checksum says."""
        for name in self.names:
            with self.open(name) as stream:
                try:
                    while stream.read(_BLOCK):
                        pass
                except DAMAGE as error:
                    raise self.damaged(name, error) from error

    def size(self, name: str) -> int:
        """Bytes of an entry, unpacked."""
        return self._entries[name].file_size

    def read(self, name: str) -> bytes:
        """A whole entry, for small ones."""
        if self.size(name) > _MOST_AT_ONCE:
            raise ReadingError(f"{self.path}: entry {name} has {self.size(name)} bytes; wanted at most {_MOST_AT_ONCE}")
        with self.open(name) as stream:
            return self._checked(name, stream.read)

    def open(self, name: str) -> IO[bytes]:
        """A stream of an entry from its start; what is read to the end is held against the archive's checksum."""
        try:
            return self._zip.open(self._entries[name])
        except DAMAGE as error:
            raise self.damaged(name, error) from error

    def blocks(self, name: str, start: int, size: int) -> Iterator[bytes]:
        """A part of an entry, in blocks of a megabyte."""
        end = start + size
        for offset in range(start, end, _BLOCK):
            yield self.part(name, offset, min(_BLOCK, end - offset))

    def part(self, name: str, start: int, size: int) -> bytes:
        """A part of an entry. Quick where the entry is stored as it is, as torch stores pickles and tensors."""
        info = self._entries[name]
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            with self.open(name) as stream:
                stream.seek(start)
                return self._checked(name, lambda: stream.read(size))
        found = os.pread(self._file.fileno(), size, self._start(info) + start)
        if len(found) != size:
            raise self.damaged(name, ReadingError("the file ends within it"))
        return found

    def _start(self, info: zipfile.ZipInfo) -> int:
        """Where an entry's bytes begin in the file."""
        header = os.pread(self._file.fileno(), _LOCAL_HEADER.size, info.header_offset)
        if len(header) != _LOCAL_HEADER.size or not header.startswith(MAGIC):
            raise self.damaged(info.filename, ReadingError("its header is not where the table of contents says"))
        _, name, extra = _LOCAL_HEADER.unpack(header)
        return int(info.header_offset + _LOCAL_HEADER.size + name + extra)

    def _checked(self, name: str, read: object) -> bytes:
        try:
            return bytes(read())  # type: ignore[operator]
        except DAMAGE as error:
            raise self.damaged(name, error) from error

    def damaged(self, name: str, error: Exception) -> ReadingError:
        """The error for an entry that cannot be read."""
        return ReadingError(f"{self.path}: entry {name} cannot be read: {error}; copy the file again, or save it again")
