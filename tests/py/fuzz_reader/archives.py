"""Changes of an archive's structure: members, their names and headers, and the records at its end."""

from __future__ import annotations

import random
from typing import Any

from tests.py.zip_files import Entry

_SIZES = (0, 1, 7, 100, 1 << 16, (1 << 31) - 1, (1 << 32) - 2, (1 << 32) - 1)
_FIELDS = ("flags", "method", "crc", "packed", "size", "name", "extra", "offset", "comment", "disk")


def change(entries: list[Entry], numbers: random.Random) -> tuple[list[Entry], str, dict[str, Any]]:
    """Other members, what was done, and how they are written."""
    kind = numbers.choice(["twice", "name", "field", "order", "drop", "bomb", "many", "ends"])
    place = numbers.randrange(len(entries))
    entry = entries[place]
    arguments: dict[str, Any] = {}
    if kind == "twice":
        entries.insert(numbers.randrange(len(entries) + 1), entry.but(content=entry.content[::-1]))
    elif kind == "name":
        entries[place] = entry.but(name=_name(entry.name, numbers))
    elif kind == "field":
        where = numbers.choice(["header", "table"])
        field = numbers.choice(_FIELDS if where == "table" else _FIELDS[:7])
        entries[place] = entry.but(**{where: {field: _value(field, entry, numbers)}})
        kind = f"{where} {field}"
    elif kind == "order":
        arguments["listed"] = [numbers.randrange(len(entries)) for _ in entries]
    elif kind == "drop":
        del entries[place]
    elif kind == "bomb":
        content = bytes(numbers.choice([1 << 20, 40 << 20])) if numbers.random() < 0.5 else b"]" * (4 << 20)
        entries[place] = entry.but(content=content, method=8)
    elif kind == "many":
        count = numbers.choice([100, 20_000])
        entries += [Entry(b"%s/extra/%d" % (entry.name.partition(b"/")[0], i), b"") for i in range(count)]
    else:
        field = numbers.choice(["count", "size", "offset", "comment", "disk"])
        arguments["end"] = {field: numbers.choice(_SIZES) % ((1 << 32) if field in ("size", "offset") else 1 << 16)}
        if numbers.random() < 0.5:
            arguments["zip64"] = {numbers.choice(["count", "size", "offset", "at"]): numbers.choice(_SIZES)}
    return entries, f"{kind} {entry.name.decode(errors='replace')}", arguments


def _name(name: bytes, numbers: random.Random) -> bytes:
    folder, _, rest = name.partition(b"/")
    return numbers.choice(
        [
            name.swapcase(),
            folder + b"/" + rest.upper(),
            b"other/" + rest,
            rest,
            b"/" + name,
            folder + b"//" + rest,
            folder + b"/../" + name,
            name.replace(b"/", b"\\"),
            name + b"\0",
            name + b"\xff",
            name + b"/",
            b"",
            name * 300,
            folder + b"/code/" + rest.replace(b"/", b"."),
        ]
    )


def _value(field: str, entry: Entry, numbers: random.Random) -> object:
    if field == "name":
        return _name(entry.name, numbers)
    if field in ("extra", "comment"):
        return (
            numbers.randbytes(numbers.choice([1, 3, 4, 20, 28]))
            if numbers.random() < 0.5
            else b"\1\0\x10\0" + bytes(16)
        )
    size = numbers.choice(_SIZES)
    return size % (1 << 16) if field in ("flags", "method", "disk") else size
