"""Changes of files with engines that are no TorchScript programs: objects in them, JSON, numbers of headers."""

from __future__ import annotations

import io
import random
import struct

from tests.py.fuzz_reader import archives, pickled, records
from tests.py.zip_files import Entry, entries_of, written

_NUMBERS = (0, 1, 2, 15, 16, 31, 32, 100, 1 << 16, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
_MARKS = (
    b"TR01",
    b"TR02",
    b"PK\3\4",
    b"ftrt",
    b"\x1b[2J",
    b"{",
    b"}",
    b"\x0a",
    b"\x3a",
    b"\xff\xff\xff\xff\x7f",
    b"\x80" * 12,
)
_TOKENS = (
    b"null", b"true", b"3", b"-1", b"1e999", b"9" * 5000, b"[]", b"{}", b'""', b"NaN", b'"\\ud800"', b'"\\u001b[31m"',
    b'"custom_obj_1"', b'"opaque_obj_0"', b'"CUSTOM_obj_0"', b'"../custom_obj_0"', b"[" * 300, b"[" * 200_000,
    b"[" + b"0," * 400_000 + b"0]", b"[" + b'{"a":1},' * 60_000 + b"0]", b'"' + b"Symbol('" * 9000 + b'"',
)  # fmt: skip


def change_object(content: bytes, numbers: random.Random) -> tuple[bytes, str]:
    """A pickle of an object is another one: an archive of its own, or Python's."""
    change = numbers.choice([pickled.change, records.change])
    if not content.startswith(b"PK"):
        made, step = change(content, numbers)
        return made, f"{change.__module__.rpartition('.')[2]}: {step}"
    try:
        entries = entries_of(io.BytesIO(content))
    except Exception:  # it was changed already
        return content, "nothing"
    arguments: dict[str, object] = {}
    if numbers.random() < 0.3:
        entries, step, arguments = archives.change(entries, numbers)
        return written(entries, **arguments), f"zip: {step}"  # type: ignore[arg-type]
    made, step = change(entries[0].content, numbers)
    entries[0] = Entry(entries[0].name, made, method=numbers.choice([0, 0, 8]))
    return written(entries), f"{change.__module__.rpartition('.')[2]}: {step}"


def change_json(content: bytes, numbers: random.Random) -> tuple[bytes, str]:
    """A part of a JSON text, from one mark to another, is another value."""
    places = [i for i, byte in enumerate(content) if byte in b'{}[],:"']
    if not places:
        return content, "nothing"
    start = numbers.choice(places)
    end = numbers.choice([start, start + 1, numbers.choice(places)])
    token = numbers.choice(_TOKENS)
    return content[: start + 1] + token + content[max(end, start + 1) :], f"{token[:20]!r} at {start}"


def change(content: bytes, numbers: random.Random) -> tuple[bytes, str]:
    """Numbers and marks near the start, or where a mark is, are others; a piece is there many times."""
    changed = bytearray(content)
    steps = []
    for _ in range(numbers.choice([1, 1, 2, 4])):
        marks = [at for mark in (b"TR0", b"{", b"ftrt", b"EPContext") if (at := changed.find(mark)) >= 0] or [0]
        at = min(len(changed), numbers.choice([0, *marks]) + numbers.randrange(40))
        kind = numbers.choice(["number", "mark", "many", "json", "zeros"])
        steps.append(f"{kind} {at}")
        if kind == "number":
            size = numbers.choice([1, 2, 4, 8])
            changed[at : at + size] = struct.pack("<Q", numbers.choice(_NUMBERS))[:size]
        elif kind == "mark":
            changed[at : at + 1] = numbers.choice(_MARKS)
        elif kind == "many":
            piece = bytes(changed[at : at + numbers.choice([1, 2, 4, 40, 400])])
            changed[at:at] = piece * min(numbers.choice([10, 1000, 200_000]), (6 << 20) // (len(piece) or 1))
        elif kind == "json":
            changed[at:at] = numbers.choice(_TOKENS)
        else:
            changed[at:at] = bytes(numbers.choice([1, 16, 4 << 20]))
    return bytes(changed), ", ".join(steps)
