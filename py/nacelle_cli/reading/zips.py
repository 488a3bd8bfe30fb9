"""The zip format, read so that no other reader can read it differently.

Readers of zip archives differ in where they look: in the table at the end, in the header before each member, from the
end of the file or from its start. An archive is read here only if all of these agree and every byte of the file has one
purpose::

    header, name, extra field, bytes, data descriptor     of the first member, at the start of the file
    …                                                     of the others, one directly after another
    table of contents
    zip64 end record, zip64 locator                       if the writer wrote them, as torch does
    end record, without a comment                         the last 22 bytes of the file

Members are stored or deflated. ``Refused`` says in which way a file differs from the drawing.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from nacelle_cli.reading import texts

STORED, DEFLATED = 0, 8

_BLOCK = 1 << 18
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_HEADER = struct.Struct("<4s5H3L2H")
_MAGICS = {_END: b"PK\x05\x06", _LOCATOR: b"PK\x06\x07", _END64: b"PK\x06\x06"}
_ENTRY_MAGIC, _HEADER_MAGIC, _DESCRIPTOR_MAGIC = b"PK\x01\x02", b"PK\x03\x04", b"PK\x07\x08"
_MOST16, _MOST32 = 0xFFFF, 0xFFFFFFFF
_ZIP64 = 1
_UNICODE_PATH = 0x7075
# Flags that change nothing: how hard deflate tried, sizes after the bytes, names in UTF-8.
_DESCRIPTOR = 1 << 3
_KNOWN_FLAGS = 0b110 | _DESCRIPTOR | 1 << 11


class Refused(Exception):  # noqa: N818 - its message says what is wrong
    """A file that is not exactly one whole archive."""


class Ambiguous(Refused):
    """A member that two readers could read differently."""


class Damaged(Exception):  # noqa: N818 - the same
    """A member whose bytes differ from the table of contents."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an archive.

    Attributes:
        name: Its whole name.
        method: ``STORED`` or ``DEFLATED``.
        flags: The flags of its header.
        crc: The CRC-32 of its bytes.
        packed: Bytes in the file.
        size: Bytes unpacked.
        header: The offset of its header in the file.
        start: The offset of its bytes in the file.
        end: The offset of their end.
    """

    name: str
    method: int
    flags: int
    crc: int
    packed: int
    size: int
    header: int
    start: int
    end: int


class Bytes:
    """The bytes of a file, or of memory, read at an offset."""

    def __init__(self, file: IO[bytes]) -> None:
        """Takes an open file, which must stay open. If it has a descriptor, its position does not change."""
        self._file = file
        try:
            self._number: int | None = file.fileno()
            self.size = os.fstat(self._number).st_size
        except (OSError, io.UnsupportedOperation):
            self._number = None
            self.size = file.seek(0, os.SEEK_END)

    def at(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset`; fewer at the end of the file."""
        if self._number is None:
            self._file.seek(offset)
            return self._file.read(size)
        found = os.pread(self._number, size, offset)
        if len(found) == size or not found:
            return found
        parts = [found]
        while (missing := size - sum(map(len, parts))) > 0:
            more = os.pread(self._number, missing, offset + size - missing)
            if not more:
                break
            parts.append(more)
        return b"".join(parts)


class Window(Bytes):
    """A part of other bytes, read as a file of its own."""

    def __init__(self, source: Bytes, start: int, size: int, owner: object = None) -> None:
        """The `size` bytes of `source` from `start`; `owner`, which keeps the file open, lives as long as this."""
        self._owner = owner
        self._source = source
        self._start = start
        self.size = size

    def at(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset`; fewer at the end of the part."""
        return self._source.at(self._start + offset, max(0, min(size, self.size - offset)))


def members(file: Bytes) -> list[Member]:
    """The members of an archive, in the order of its table of contents.

    Raises:
        Refused: The file is not as in the drawing above.
    """
    count, start, size = _table(file)
    raw = _exactly(file, start, size, "its table of contents")
    found = list(_entries(raw, count))
    listed = sorted(found, key=lambda entry: entry.header)
    if listed and listed[0].header != 0:
        raise Refused(f"the first member begins at byte {listed[0].header}; wanted 0: something else is before it")
    ends = [entry.header for entry in listed[1:]] + [start]
    placed = {id(entry): _placed(file, entry, end) for entry, end in zip(listed, ends, strict=True)}
    return [placed[id(entry)] for entry in found]


def _exactly(file: Bytes, offset: int, size: int, what: str) -> bytes:
    found = file.at(offset, size) if 0 <= offset <= file.size - size else b""
    if len(found) != size:
        raise Refused(f"{what} is not within the file")
    return found


def _unpacked(file: Bytes, form: struct.Struct, offset: int, what: str) -> tuple[int, ...]:
    raw = _exactly(file, offset, form.size, what)
    magic, *numbers = form.unpack(raw)
    if magic != _MAGICS[form]:
        raise Refused(f"{what} is not where it should be, at byte {offset}")
    return tuple(numbers)


def _table(file: Bytes) -> tuple[int, int, int]:
    """The number of members in the table of contents, its offset and its bytes."""
    what = "the record that ends a zip archive"
    position = file.size - _END.size
    disk, table_disk, on_disk, count, size, start, comment = _unpacked(file, _END, position, what)
    if comment:
        raise Refused(f"a comment of {comment} bytes is said to be after it; wanted none")
    short = (disk, table_disk, on_disk, count, size, start)
    at = position - _LOCATOR.size
    if at >= 0 and file.at(at, 4) == _MAGICS[_LOCATOR]:
        position = at - _END64.size
        long = _end64(file, at, position)
        for narrow, wide, most in zip(short, long, [_MOST16] * 4 + [_MOST32] * 2, strict=True):
            if narrow not in (wide, most):
                raise Refused(f"its two end records differ: {narrow} and {wide}")
    else:
        long = short
    disk, table_disk, on_disk, count, size, start = long
    if disk or table_disk or on_disk != count:
        raise Refused("it is a part of an archive of several files")
    if start + size != position:
        raise Refused(f"its table of contents ends at byte {start + size}, and the record after it is at {position}")
    return count, start, size


def _end64(file: Bytes, locator: int, position: int) -> tuple[int, ...]:
    disk, offset, disks = _unpacked(file, _LOCATOR, locator, "the zip64 locator")
    if disk or disks > 1 or offset != position:
        raise Refused(f"its zip64 locator points to byte {offset}; wanted {position}, directly before the locator")
    size, _, _, *numbers = _unpacked(file, _END64, position, "the zip64 end record")
    if size != _END64.size - 12:
        raise Refused(f"its zip64 end record has {size} bytes; wanted {_END64.size - 12}")
    return tuple(numbers)


@dataclass(slots=True)
class _Entry:
    """An entry of the table of contents."""

    raw: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    header: int

    @property
    def name(self) -> str:
        return texts.from_bytes(self.raw)

    def refused(self, why: str) -> Ambiguous:
        return Ambiguous(f"member {texts.quoted(self.name)}: {why}")


def _entries(raw: bytes, count: int) -> Iterator[_Entry]:
    offset = 0
    for number in range(count):
        if offset + _ENTRY.size > len(raw) or not raw.startswith(_ENTRY_MAGIC, offset):
            raise Refused(f"its table of contents ends after {number} members; wanted {count}")
        fields = _ENTRY.unpack_from(raw, offset)
        flags, method, crc, packed, size, name, extra, comment, disk = (*fields[3:5], *fields[7:14])
        header = fields[16]
        offset += _ENTRY.size
        entry = _Entry(raw[offset : offset + name], flags, method, crc, packed, size, header)
        more = raw[offset + name : offset + name + extra]
        offset += name + extra
        if offset > len(raw):
            raise Refused("its table of contents is cut off")
        if comment:
            raise entry.refused("has a comment, which torch writes for none")
        _widen(entry, more, wide=("size", "packed", "header"))
        _check(entry, disk)
        yield entry
    if offset != len(raw):
        raise Refused(f"its table of contents goes on for {len(raw) - offset} bytes after {count} members")


def _check(entry: _Entry, disk: int) -> None:
    if disk:
        raise entry.refused("lies in another file")
    if entry.flags & ~_KNOWN_FLAGS:
        raise entry.refused(f"has flags {entry.flags:#x} (encrypted, patched or the like); wanted none of these")
    if entry.method not in (STORED, DEFLATED):
        raise entry.refused(f"is packed by method {entry.method}; wanted 0 (stored) or 8 (deflated)")
    if entry.method == STORED and entry.packed != entry.size:
        raise entry.refused(f"is stored, and has {entry.packed} bytes packed and {entry.size} unpacked")


def _widen(entry: _Entry, extra: bytes, wide: tuple[str, ...]) -> None:
    """Takes the numbers that do not fit into 32 bits from the extra field."""
    wanted = [name for name in wide if getattr(entry, name) == _MOST32]
    seen = False
    offset = 0
    while offset + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, offset)
        body = extra[offset + 4 : offset + 4 + size]
        offset += 4 + size
        if len(body) != size:
            raise entry.refused("has an extra field that is cut off")
        if kind == _UNICODE_PATH:
            raise entry.refused("has a second name in its extra field")
        if kind == _ZIP64:
            if seen or size != 8 * len(wanted):
                raise entry.refused(f"has {size} bytes of zip64 numbers; wanted {8 * len(wanted)}, once")
            seen = True
            for name, number in zip(wanted, struct.unpack(f"<{len(wanted)}Q", body), strict=True):
                setattr(entry, name, number)
    if wanted and not seen:
        raise entry.refused("lacks its zip64 numbers")


def _placed(file: Bytes, entry: _Entry, end: int) -> Member:
    """The member with its place in the file. All bytes up to `end`, where the next member begins, belong to it."""
    what = "the header of a member"
    raw = _exactly(file, entry.header, _HEADER.size + len(entry.raw), f"{what}, {texts.quoted(entry.name)},")
    magic, _, flags, method, _, _, crc, packed, size, name, extra = _HEADER.unpack_from(raw)
    if magic != _HEADER_MAGIC:
        raise entry.refused("its header is not where the table of contents says")
    if raw[_HEADER.size :] != entry.raw or name != len(entry.raw):
        there = _exactly(file, entry.header + _HEADER.size, name, "a name")
        raise entry.refused(f"is named {texts.quoted(texts.from_bytes(there))} in its header")
    if (flags, method) != (entry.flags, entry.method):
        raise entry.refused(
            f"has method {method} and flags {flags:#x} in its header, method {entry.method} and flags "
            f"{entry.flags:#x} in the table of contents"
        )
    local = _Entry(entry.raw, flags, method, crc, packed, size, 0)
    start = entry.header + _HEADER.size + name + extra
    _widen_local(local, _exactly(file, start - extra, extra, f"{what}, {texts.quoted(entry.name)},"))
    later = flags & _DESCRIPTOR and (local.crc, local.packed, local.size) == (0, 0, 0)
    if not later and (local.crc, local.packed, local.size) != (entry.crc, entry.packed, entry.size):
        raise entry.refused(
            f"has CRC-32 {local.crc:#010x}, {local.packed} and {local.size} bytes in its header, {entry.crc:#010x}, "
            f"{entry.packed} and {entry.size} in the table of contents"
        )
    stop = start + entry.packed
    if stop > end:
        raise entry.refused(f"overlaps what begins at byte {end}: its bytes end at {stop}")
    _check_after(file, entry, stop, end)
    return Member(entry.name, entry.method, flags, entry.crc, entry.packed, entry.size, entry.header, start, stop)


def _widen_local(local: _Entry, extra: bytes) -> None:
    """Takes zip64 numbers from a header: it has both sizes or none, also if the sizes follow the bytes."""
    if _MOST32 in (local.size, local.packed):
        _widen(local, extra, wide=("size", "packed"))
    else:
        _widen(local, _without_zip64(extra), wide=())


def _without_zip64(extra: bytes) -> bytes:
    """The extra field without zip64 numbers, which no reader takes if the header's own sizes are whole."""
    kept, offset = b"", 0
    while offset + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, offset)
        if kind != _ZIP64:
            kept += extra[offset : offset + 4 + size]
        offset += 4 + size
    return kept


def _check_after(file: Bytes, entry: _Entry, stop: int, end: int) -> None:
    """Refuses bytes between a member and the next one, unless they are the member's data descriptor."""
    gap = end - stop
    if gap == 0 and not entry.flags & _DESCRIPTOR:
        return
    if gap > 24 or not entry.flags & _DESCRIPTOR:
        raise entry.refused(f"is followed by {gap} bytes that belong to no member")
    found = _exactly(file, stop, gap, "a data descriptor")
    forms = [struct.pack(form, entry.crc, *sizes) for form, sizes in _descriptors(entry)]
    if found not in [magic + numbers for numbers in forms for magic in (_DESCRIPTOR_MAGIC, b"")]:
        raise entry.refused(f"has {gap} bytes after it that say other sizes than the table of contents")


def _descriptors(entry: _Entry) -> Iterator[tuple[str, tuple[int, int]]]:
    yield "<LQQ", (entry.packed, entry.size)
    if max(entry.packed, entry.size) <= _MOST32:
        yield "<LLL", (entry.packed, entry.size)


class Stream(io.RawIOBase):
    """A member's bytes, unpacked, from its start. A read to the end compares them with size and CRC-32."""

    def __init__(self, file: Bytes, member: Member) -> None:
        """Reads nothing yet."""
        self._file = file
        self._member = member
        self._next = member.start
        self._given = 0
        self._crc = 0
        self._inflate = zlib.decompressobj(-15) if member.method == DEFLATED else None
        self._packed = b""

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fills a part of `buffer`.

        Raises:
            Damaged: The bytes differ from the table of contents.
        """
        into = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        found = self._some(len(into))
        into[: len(found)] = found
        return len(found)

    def _some(self, most: int) -> bytes:
        if most == 0:
            return b""
        found = self._stored(most) if self._inflate is None else self._inflated(min(most, _BLOCK))
        self._crc = zlib.crc32(found, self._crc)
        self._given += len(found)
        if self._given > self._member.size:
            raise Damaged(f"it unpacks to more than {self._member.size} bytes")
        if not found or self._given == self._member.size:
            self._check_end()
        return found

    def _stored(self, most: int) -> bytes:
        size = min(most, self._member.end - self._next)
        found = self._file.at(self._next, size)
        if len(found) != size:
            raise Damaged("the file ends within it")
        self._next += size
        return found

    def _inflated(self, most: int) -> bytes:
        inflate = self._inflate
        assert inflate is not None
        while not inflate.eof:
            if not self._packed:
                self._packed = self._stored(_BLOCK)
            try:
                found = inflate.decompress(self._packed, most)
            except zlib.error as error:
                raise Damaged(str(error)) from error
            ended = not self._packed
            self._packed = inflate.unconsumed_tail
            if found:
                return found
            if ended and not inflate.eof:
                raise Damaged("it is cut off")
        return b""

    def _check_end(self) -> None:
        if self._given != self._member.size:
            raise Damaged(f"it has {self._given} bytes; wanted {self._member.size}")
        if self._crc != self._member.crc:
            raise Damaged(f"Bad CRC-32 {self._crc:#010x}; wanted {self._member.crc:#010x}")
        if self._inflate is not None:
            self._check_inflated()

    def _check_inflated(self) -> None:
        if self._inflated(1):
            raise Damaged(f"it unpacks to more than {self._member.size} bytes")
        assert self._inflate is not None
        if self._inflate.unused_data or self._packed or self._next != self._member.end:
            raise Damaged("its packed bytes go on after its end")
