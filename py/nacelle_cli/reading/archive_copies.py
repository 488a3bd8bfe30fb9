"""Copies of a program's archive with other content in some entries.

The bytes of every other entry, stored or deflated, are copied and never unpacked. torch maps stored entries into
memory, so their bytes begin at multiples of 64, as torch's own writer puts them:

    header of the entry | name | padding | bytes of the entry | …next entry… | table of contents
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TypeAlias

from nacelle_cli.reading import texts
from nacelle_cli.reading.archives import Archive
from nacelle_cli.reading.pieces import Piece
from nacelle_cli.reading.zips import Member

_ALIGNMENT = 64
_PADDING_ID = 0x4246  # "FB", as torch marks its padding
_ZIP64_ID = 1
_LIMIT_32 = 0xFFFFFFFF
_LIMIT_16 = 0xFFFF

_STORED = 0
_SIZES_FOLLOW = 1 << 3  # flag: checksum and sizes come after the bytes
_UTF_8 = 1 << 11
_PLAIN, _ZIP64 = 20, 45  # the version of the format that a reader needs
_NO_TIME = (0, 0)  # as torch has it: the same program gives the same bytes

_EXTRA = struct.Struct("<HH")
_LONG_SIZES = struct.Struct("<2H2Q")
_LOCAL = struct.Struct("<4s5H3I2H")
_SIZES_32, _SIZES_64 = struct.Struct("<4s3I"), struct.Struct("<4sI2Q")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_END = struct.Struct("<4s4H2IH")

Changes: TypeAlias = Mapping[str, Sequence[Piece] | None]


@dataclass
class _Member:
    """An entry of the copy, as its headers tell it."""

    name: bytes
    method: int
    flags: int
    checksum: int
    packed: int
    size: int
    offset: int = 0

    @property
    def long(self) -> bool:
        """True if its sizes do not fit into four bytes."""
        return max(self.packed, self.size) >= _LIMIT_32


def write(archive: Archive, changes: Changes, file: IO[bytes]) -> None:
    """Writes a copy, from its start to its end; `file` need not be one that can be rewound.

    Args:
        archive: The original; it must stay open meanwhile.
        changes: By name the new content of entries, None for one that goes; names that the archive lacks are added.
        file: The file to write to.

    Raises:
        ReadingError: An entry's bytes cannot be read.
        OSError: The copy cannot be written.
    """
    for block in _copied(archive, changes, _Writer()):
        file.write(block)


def piece(archive: Archive, changes: Changes) -> Piece:
    """The same copy as a piece of another file; an archive may be an entry of another one."""
    measured = _Writer(measures=True)
    for _ in _copied(archive, changes, measured):
        pass
    return Piece(measured.position, lambda: _copied(archive, changes, _Writer()))


def made(folder: str, entries: Mapping[str, Sequence[Piece]]) -> Piece:
    """A new archive with these entries in one folder, as a piece of another file."""
    measured = _Writer(measures=True)
    for _ in _added(folder, entries, measured):
        pass
    return Piece(measured.position, lambda: _added(folder, entries, _Writer()))


def _copied(archive: Archive, changes: Changes, writer: _Writer) -> Iterator[bytes]:
    for entry, blocks in archive.packed_entries():
        name = entry.name.partition("/")[2]
        if name not in changes:
            yield from writer.copy(entry, blocks)
        elif (content := changes[name]) is not None:
            yield from writer.add(entry.name, content)
    added = {name: content for name, content in changes.items() if name not in archive and content is not None}
    yield from _added(archive.folder, added, writer)


def _added(folder: str, entries: Mapping[str, Sequence[Piece]], writer: _Writer) -> Iterator[bytes]:
    for name, content in entries.items():
        yield from writer.add(f"{folder}/{name}", content)
    yield from writer.end()


class _Writer:
    """Gives the bytes of an archive one after the other."""

    def __init__(self, *, measures: bool = False) -> None:
        """Begins an archive; one that `measures` leaves out the bytes of entries, and counts them."""
        self.measures = measures
        self.position = 0
        self.members: list[_Member] = []

    def copy(self, entry: Member, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """An entry whose bytes are packed already."""
        member = _Member(texts.to_bytes(entry.name), entry.method, entry.flags, entry.crc, entry.packed, entry.size)
        yield from self._begin(member)
        if self.measures:
            self.position += entry.packed
        else:
            yield from map(self._counted, blocks)
        yield from self._finish(member)

    def add(self, name: str, content: Sequence[Piece]) -> Iterator[bytes]:
        """An entry as it is; its checksum is known at its end."""
        size = sum(piece.size for piece in content)
        member = _Member(texts.to_bytes(name), _STORED, _UTF_8 | _SIZES_FOLLOW, 0, size, size)
        yield from self._begin(member)
        start = self.position
        if self.measures:
            self.position += size
        else:
            for part in content:
                for block in part.blocks():
                    member.checksum = zlib.crc32(block, member.checksum)
                    yield self._counted(block)
        if self.position - start != size:
            raise RuntimeError(f"entry {name} has {self.position - start} bytes and was announced with {size}")
        yield from self._finish(member)

    def end(self) -> Iterator[bytes]:
        """The table of contents."""
        start = self.position
        for member in self.members:
            yield from self._central(member)
        size, count = self.position - start, len(self.members)
        if start >= _LIMIT_32 or size >= _LIMIT_32 or count >= _LIMIT_16:
            record = self.position
            yield self._counted(
                _END_64.pack(b"PK\x06\x06", _END_64.size - 12, _ZIP64, _ZIP64, 0, 0, count, count, size, start)
            )
            yield self._counted(_LOCATOR.pack(b"PK\x06\x07", 0, record, 1))
        counts = min(count, _LIMIT_16)
        yield self._counted(
            _END.pack(b"PK\x05\x06", 0, 0, counts, counts, min(size, _LIMIT_32), min(start, _LIMIT_32), 0)
        )

    def _begin(self, member: _Member) -> Iterator[bytes]:
        member.offset = self.position
        self.members.append(member)
        known = (0, 0, 0) if member.flags & _SIZES_FOLLOW else (member.checksum, member.packed, member.size)
        sizes = b""
        if member.long:
            sizes = _LONG_SIZES.pack(_ZIP64_ID, 16, known[2], known[1])
            known = (known[0], _LIMIT_32, _LIMIT_32)
        start = self.position + _LOCAL.size + len(member.name) + len(sizes) + _EXTRA.size
        padding = -start % _ALIGNMENT
        extra = sizes + _EXTRA.pack(_PADDING_ID, padding) + b"Z" * padding
        needed = _ZIP64 if member.long else _PLAIN
        yield self._counted(
            _LOCAL.pack(
                b"PK\x03\x04", needed, member.flags, member.method, *_NO_TIME, *known, len(member.name), len(extra)
            )
        )
        yield self._counted(member.name + extra)

    def _finish(self, member: _Member) -> Iterator[bytes]:
        """The bytes that follow an entry's own."""
        if member.flags & _SIZES_FOLLOW:
            form = _SIZES_64 if member.long else _SIZES_32
            yield self._counted(form.pack(b"PK\x07\x08", member.checksum, member.packed, member.size))

    def _central(self, member: _Member) -> Iterator[bytes]:
        values = [value for value in (member.size, member.packed, member.offset) if value >= _LIMIT_32]
        extra = _EXTRA.pack(_ZIP64_ID, 8 * len(values)) + struct.pack(f"<{len(values)}Q", *values) if values else b""
        needed = _ZIP64 if values else _PLAIN
        yield self._counted(
            _CENTRAL.pack(
                b"PK\x01\x02",
                needed,
                needed,
                member.flags,
                member.method,
                *_NO_TIME,
                member.checksum,
                min(member.packed, _LIMIT_32),
                min(member.size, _LIMIT_32),
                len(member.name),
                len(extra),
                0,
                0,
                0,
                0,
                min(member.offset, _LIMIT_32),
            )
        )
        yield self._counted(member.name + extra)

    def _counted(self, content: bytes) -> bytes:
        self.position += len(content)
        return content
