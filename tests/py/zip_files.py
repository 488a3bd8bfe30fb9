"""Zip archives written byte by byte, so that each of their fields can be wrong."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO


@dataclass
class Entry:
    """A member, written rightly; each field can be set otherwise.

    Attributes:
        name: Its whole name.
        content: Its bytes, unpacked.
        method: 0 stored, 8 deflated; others are written as if stored.
        flags: The flags in both headers.
        header: Fields of the header before it that are not those of the table of contents: ``name``, ``method``,
            ``flags``, ``crc``, ``packed``, ``size``.
        table: The same of the table of contents, and ``offset``, ``comment``, ``extra``, ``disk``.
        packed: The bytes that are written for it; None: `content`, packed.
        after: Bytes that follow it.
        descriptor: True if the sizes are written after the bytes, as torch does.
    """

    name: bytes
    content: bytes
    method: int = 0
    flags: int = 0
    header: dict[str, object] = field(default_factory=dict)
    table: dict[str, object] = field(default_factory=dict)
    packed: bytes | None = None
    after: bytes = b""
    descriptor: bool = False

    def but(self, **changes: object) -> Entry:
        """A copy with other fields."""
        return replace(self, **changes)  # type: ignore[arg-type]


def entries_of(path: Path | IO[bytes]) -> list[Entry]:
    """The members of an archive that was written rightly."""
    with zipfile.ZipFile(path) as archive:
        return [
            Entry(item.filename.encode(), archive.read(item), method=item.compress_type) for item in archive.infolist()
        ]


def deflated(content: bytes) -> bytes:
    """The content as deflate packs it, without a header of zlib."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def written(
    entries: Iterable[Entry],
    before: bytes = b"",
    after: bytes = b"",
    comment: bytes = b"",
    end: dict[str, int] | None = None,
    zip64: dict[str, int] | None = None,
    listed: Sequence[int] | None = None,
) -> bytes:
    """An archive of these members.

    Args:
        entries: The members.
        before: Bytes before the first; offsets count from the start of the file.
        after: Bytes after the end record.
        comment: The comment of the archive.
        end: Fields of the end record that are wrong: ``count``, ``size``, ``offset``, ``comment``, ``disk``.
        zip64: If given, zip64 records are written, with these fields wrong: ``count``, ``size``, ``offset``, ``at``.
        listed: The numbers of the members in the table of contents, in its order; None: all.
    """
    out = bytearray(before)
    rows = []
    for entry in entries:
        header, row = _member(entry, len(out))
        rows.append(row)
        out += header
    start = len(out)
    for number in range(len(rows)) if listed is None else listed:
        out += rows[number]
    count, size = len(rows) if listed is None else len(listed), len(out) - start
    if zip64 is not None:
        at = len(out)
        numbers = (zip64.get("count", count), zip64.get("size", size), zip64.get("offset", start))
        out += struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, numbers[0], *numbers)
        out += struct.pack("<4sLQL", b"PK\6\7", 0, zip64.get("at", at), 1)
    said = {"count": count, "size": size, "offset": start, "comment": len(comment), "disk": 0} | (end or {})
    out += struct.pack("<4s4H2LH", b"PK\5\6", said["disk"], 0, said["count"], *list(said.values())[:4])
    return bytes(out + comment + after)


def _member(entry: Entry, offset: int) -> tuple[bytes, bytes]:
    """The member with its header, and its row in the table of contents."""
    packed = entry.packed
    if packed is None:
        packed = deflated(entry.content) if entry.method == 8 else entry.content
    known: dict[str, object] = {
        "name": entry.name,
        "method": entry.method,
        "flags": entry.flags | (8 if entry.descriptor else 0),
        "crc": zlib.crc32(entry.content),
        "packed": len(packed),
        "size": len(entry.content),
        "extra": b"",
    }
    later = {"crc": 0, "packed": 0, "size": 0} if entry.descriptor else {}
    local = known | later | entry.header
    listed = known | {"offset": offset, "comment": b"", "disk": 0} | entry.table
    fields = [local[name] for name in ("flags", "method")]
    sizes = [local[name] for name in ("crc", "packed", "size")]
    header = struct.pack("<4s5H3L2H", b"PK\3\4", 20, *fields, 0, 0, *sizes, len(local["name"]), len(local["extra"]))  # type: ignore[arg-type]
    tail = struct.pack("<4s3L", b"PK\7\x08", known["crc"], len(packed), known["size"]) if entry.descriptor else b""
    row = struct.pack(
        "<4s6H3L5H2L",
        *(b"PK\1\2", 20, 20, listed["flags"], listed["method"], 0, 0, listed["crc"], listed["packed"], listed["size"]),
        *(len(listed[name]) for name in ("name", "extra", "comment")),  # type: ignore[arg-type]
        *(listed["disk"], 0, 0, listed["offset"]),
    )
    return (
        header + local["name"] + local["extra"] + packed + tail + entry.after,  # type: ignore[operator]
        row + listed["name"] + listed["extra"] + listed["comment"],  # type: ignore[operator]
    )
