"""The zip archive that a program is, entry by entry."""

from __future__ import annotations

import io
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

import nacelle_core
from nacelle_cli.reading import limits, regular, texts, zips
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.zips import Member

MAGIC = b"PK\x03\x04"
_FIRST = 8
_BLOCK = 1 << 20
_BUFFER = 1 << 16
# Maximum bytes of an entry that is read as a whole: source code, a version. No program comes near it.
_MAX_BYTES_AT_ONCE = 256 << 20
# The files and folders that torch looks for. It compares names without their case.
_KNOWN = frozenset(
    {
        "data.pkl", "constants.pkl", "attributes.pkl", "model.json", "version", "byteorder", "data", "constants",
        "attributes", "tensors", "code", "debug", "extra", "models", ".data", ".format",
    }
)  # fmt: skip
_MODEL = re.compile(r"models/.+\.json")
# A member of what torch.export.save of torch 2.8 and older wrote.
_OLD_EXPORT = "serialized_exported_program.json"
_ADVICE = "two readers could find different programs in this archive; save the program again"


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
    """Raises ReadingError if a file of that name and with these first bytes is no archive, and so no program."""
    if first.startswith(MAGIC):
        return
    found = f"it begins with {first.hex(' ')} ({texts.quoted(texts.from_bytes(first))})" if first else "it is empty"
    hint = ": make a program of the plan with nacelle embed" if nacelle_core.has_plan_magic(first) else ""
    raise ReadingError(
        f"{name} is no TorchScript program: {found}; wanted the zip archive that torch.jit.save writes{hint}"
    )


class Archive:
    """An open program. Names are without the folder that all entries are in: ``data.pkl``, ``code/…``.

    Use it in a ``with`` block; what was opened through it is valid within. An archive that torch could read differently
    is not opened at all: see ``zips`` for its bytes, ``_check_name`` for its names.

    Attributes:
        path: The file, for messages.
        folder: The folder that all entries are in.
        loose: Members that are in no folder.
        limits: The memory and time that reading the file may cost.
    """

    def __init__(self, path: Path, file: IO[bytes] | zips.Bytes | None = None) -> None:
        """Opens a file and reads its table of contents; `file`, if it is open already, is closed with this.

        An archive within another is read from its bytes there (see ``content``), which must stay open.

        Raises:
            ReadingError: It is damaged, can be read in two ways, or unpacks to more than its limit.
            OSError: It cannot be opened or read.
        """
        self.path = path
        self.folder = ""
        self.loose: list[str] = []
        self._file = io.BytesIO() if isinstance(file, zips.Bytes) else file or path.open("rb")
        self._unpacked: dict[str, tuple[IO[bytes], zips.Bytes]] = {}
        self._by_letters: dict[str, str] = {}
        try:
            self._bytes = file if isinstance(file, zips.Bytes) else zips.Bytes(self._file)
            self.limits = limits.of_size(self._bytes.size)
            self._entries = self._read_table()
        except BaseException:
            self._file.close()
            raise

    def _read_table(self) -> dict[str, Member]:
        try:
            members = zips.members(self._bytes)
        except zips.Ambiguous as error:
            raise ReadingError(f"{self.path}: {error}; {_ADVICE}") from error
        except zips.Refused as error:
            raise ReadingError(
                f"{self.path} begins as a zip archive, and its table of contents cannot be read ({error}): it is cut "
                "off or damaged; copy it again, or save the program again"
            ) from error
        entries = self._by_name(members)
        total = sum(member.size for member in members)
        if total > self.limits.unpacked:
            largest = max(members, key=lambda member: member.size)
            where = f"{self.path}: with member {texts.quoted(largest.name)} of {largest.size} bytes"
            raise limits.exceeded(where, "bytes unpacked", total, self.limits.unpacked)
        return entries

    def _by_name(self, members: list[Member]) -> dict[str, Member]:
        """The members by their names without the folder; folders, which have members of their own, are left out."""
        entries: dict[str, Member] = {}
        seen: dict[str, str] = {}
        problem = ""
        for member in members:
            folder, slash, name = member.name.partition("/")
            self.folder = self.folder or folder
            problem = problem or self._why_ambiguous(member, folder, slash, name, seen)
            if not slash:
                self.loose.append(folder)
            if name and not name.endswith("/"):
                entries[name] = member
        if problem and _is_known(entries):
            raise ReadingError(f"{self.path}: {problem}; {_ADVICE}")
        return entries

    def _why_ambiguous(self, member: Member, folder: str, slash: str, name: str, seen: dict[str, str]) -> str:
        """The reason why torch could take another member for this one, or none; empty if it cannot."""
        shown = f"member {texts.quoted(member.name)}"
        lower = texts.lower(member.name)
        if lower in seen:
            other = "twice" if seen[lower] == member.name else f"beside {texts.quoted(seen[lower])}"
            return f"{shown} is there {other}; wanted each once, since torch compares names without their case"
        seen[lower] = member.name
        if not slash or folder != self.folder:
            return f"{shown} is not in the folder {texts.quoted(self.folder)}; wanted all of them in one folder"
        if name.endswith("/") and member.size:
            return f"{shown} is a folder and has {member.size} bytes; wanted none"
        problem = _check_name(folder, name.removesuffix("/"))
        return f"{shown} {problem}" if problem else ""

    def __enter__(self) -> Archive:
        """Gives itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the file."""
        for file, _ in self._unpacked.values():
            file.close()
        self._unpacked.clear()
        self._file.close()

    @property
    def names(self) -> list[str]:
        """The entries, in the archive's order."""
        return list(self._entries)

    def __contains__(self, name: str) -> bool:
        """True if there is such an entry."""
        return name in self._entries

    def member(self, name: str) -> Member:
        """The place of an entry in the file, and its packing."""
        return self._entries[name]

    def check_kind(self) -> None:
        """Raises ReadingError if the archive is no program."""
        if "data.pkl" in self and "constants.pkl" in self:
            if "model.json" in self:
                raise ReadingError(f"{self.path}: member model.json is a second program beside data.pkl; {_ADVICE}")
            return
        if "data.pkl" in self:
            what = "what torch.save wrote (tensors or other objects)"
        elif kind := self.package_kind():
            raise ReadingError(
                f"{self.path} is an {kind} and no TorchScript program; give a file that torch.jit.save wrote (nacelle "
                "inspect, diff, extract, convert, replace and strip take this one)"
            )
        elif _OLD_EXPORT in self.loose:
            what = "an exported program of torch 2.8 or older, whose constants are pickles,"
        else:
            what = "some other zip archive"
        raise ReadingError(f"{self.path} is {what} and no TorchScript program; give a file that torch.jit.save wrote")

    def package_kind(self) -> str:
        """``"exported program"`` (torch.export.save) or ``"AOTInductor package"``; empty if it is neither."""
        if "data.pkl" in self:
            return ""
        if any(name.startswith("data/aotinductor/") for name in self.names):
            return "AOTInductor package"
        return "exported program" if any(map(_MODEL.fullmatch, self.names)) else ""

    def check_entries(self) -> None:
        """Reads every entry to its end, and raises ReadingError for the first that contradicts its checksum."""
        for name in self.names:
            with self.open(name) as stream:
                while stream.read(_BLOCK):
                    pass

    @property
    def file_size(self) -> int:
        """Bytes of the file."""
        return self._bytes.size

    def check_letters(self, name: str) -> None:
        """Raises ReadingError if there is no such entry, and one that torch would take for it."""
        if name in self._entries:
            return
        self._by_letters = self._by_letters or {texts.lower(entry): entry for entry in self._entries}
        found = self._by_letters.get(texts.lower(name))
        if found is not None:
            raise ReadingError(
                f"{self.path}: member {texts.quoted(found)} is named {texts.quoted(name)} in a pickle; {_ADVICE}"
            )

    def size(self, name: str) -> int:
        """Bytes of an entry, unpacked."""
        return self._entries[name].size

    def read(self, name: str) -> bytes:
        """A whole entry, for small ones."""
        if self.size(name) > _MAX_BYTES_AT_ONCE:
            raise ReadingError(
                f"{self.path}: entry {name} has {self.size(name)} bytes; wanted at most {_MAX_BYTES_AT_ONCE}"
            )
        with self.open(name) as stream:
            return stream.read()

    def open(self, name: str) -> IO[bytes]:
        """A stream of an entry from its start. Read to the end, it is held against the archive's checksum.

        Raises:
            ReadingError: By the stream, if the entry is damaged.
        """
        return io.BufferedReader(_Entry(self, name), _BUFFER)

    def blocks(self, name: str, start: int, size: int) -> Iterator[bytes]:
        """A part of an entry, in blocks of a megabyte."""
        end = start + size
        for offset in range(start, end, _BLOCK):
            yield self.part(name, offset, min(_BLOCK, end - offset))

    def part(self, name: str, start: int, size: int) -> bytes:
        """A part of an entry. One that is deflated is unpacked into a temporary file first, once."""
        entry = self._entries[name]
        where, offset = self._bytes, entry.start
        if entry.method != zips.STORED:
            where, offset = self._unpack(name), 0
        found = where.at(offset + start, size) if start + size <= entry.size else b""
        if len(found) != size:
            raise self.damaged(name, ReadingError("the file ends within it"))
        return found

    def content(self, name: str) -> zips.Bytes:
        """The bytes of an entry as a file of their own, such as an archive within this one."""
        entry = self._entries[name]
        if entry.method != zips.STORED:
            return zips.Window(self._unpack(name), 0, entry.size, self)
        return zips.Window(self._bytes, entry.start, entry.size, self)

    def packed_entries(self) -> Iterator[tuple[Member, Iterator[bytes]]]:
        """Every entry with its bytes as they lie in the file, deflated ones too, in blocks of a megabyte."""
        for name, member in self._entries.items():
            yield member, self._packed_blocks(name, member)

    def _packed_blocks(self, name: str, member: Member) -> Iterator[bytes]:
        for offset in range(0, member.packed, _BLOCK):
            size = min(_BLOCK, member.packed - offset)
            found = self._bytes.at(member.start + offset, size)
            if len(found) != size:
                raise self.damaged(name, ReadingError("the file ends within it"))
            yield found

    def _unpack(self, name: str) -> zips.Bytes:
        if name not in self._unpacked:
            file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the archive
            try:
                with self.open(name) as stream:
                    shutil.copyfileobj(stream, file, _BLOCK)
                file.flush()
            except BaseException:
                file.close()
                raise
            self._unpacked[name] = (file, zips.Bytes(file))
        return self._unpacked[name][1]

    def damaged(self, name: str, error: Exception) -> ReadingError:
        """The error for an entry that cannot be read."""
        shown = texts.printable(name)
        return ReadingError(
            f"{self.path}: entry {shown} cannot be read: {error}; copy the file again, or save it again"
        )


class _Entry(zips.Stream):
    """The stream of an entry, whose errors are those of the archive."""

    def __init__(self, archive: Archive, name: str) -> None:
        super().__init__(archive._bytes, archive.member(name))
        self._archive = archive
        self._name = name

    def readinto(self, buffer: object) -> int:
        """Fills a part of `buffer`."""
        try:
            return super().readinto(buffer)
        except zips.Damaged as error:
            raise self._archive.damaged(self._name, error) from error


def _is_known(entries: dict[str, Member]) -> bool:
    """True if it is an archive of torch, as far as torch looks."""
    names = {texts.lower(name) for name in entries}
    return not names.isdisjoint(("data.pkl", "archive_format")) or any(
        name.endswith("model.json") or name.startswith(("models/", "data/aotinductor/")) for name in names
    )


def _check_name(folder: str, name: str) -> str:
    """The fault of a member's name that another reader would take differently; empty if it has none."""
    if "\0" in folder or "\0" in name:
        return "has a zero byte in its name, at which torch ends it"
    if texts.shown(name) != name:
        return "has a name that is not UTF-8"
    first, *others = name.split("/")
    if first == "extra" and others:  # those are the user's
        return ""
    if "\\" in name or any(part in ("", ".", "..") for part in name.split("/")[: None if name else 0]):
        return "has '\\', '.', '..' or nothing as a folder in its name"
    if first.lower() in _KNOWN and first != first.lower():
        return f"begins with {first}; wanted {first.lower()}"
    return _check_source_name(name) if first == "code" else ""


def _check_source_name(name: str) -> str:
    stem, dot, suffix = name.partition(".")
    if not dot or suffix in ("py", "py.debug_pkl"):
        return ""
    if suffix.lower().endswith(("py", "py.debug_pkl")):
        return f"ends with .{suffix}; wanted .py or .py.debug_pkl, and no other point in {stem}"
    return ""
