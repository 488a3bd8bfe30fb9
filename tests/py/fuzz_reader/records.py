"""Changes of engine records and of plans."""

from __future__ import annotations

import base64
import random
import struct

_TEXTS = (
    b"",
    b"0",
    b"-1",
    b"3",
    b"10",
    b"11",
    b"9" * 5000,
    b"a%b",
    b"%",
    b"%" * 4000,
    b"a@b@c",
    b"0%9%0%0%GPU",
    b"0%0%0%0%cpu",
    b"99999999999%9%0%0%GPU",
    b"\xff",
    b"\0",
    b"\x1b[31m",
    "\u202e".encode(),
    b"QUJD",
    b"QUJ=",
    b"====",
    b"x" * 70_000,
    b"linux_x86_64",
    b"%".join(b"%d" % i for i in range(20_000)),
)


def change(content: bytes, numbers: random.Random) -> tuple[bytes, str]:
    """A text of the pickle is another one, or a plan."""
    places = [i for i in range(len(content) - 5) if content[i : i + 1] == b"X" and content[i + 3 : i + 5] == b"\0\0"]
    if not places:
        return content, "nothing"
    at = numbers.choice(places)
    (size,) = struct.unpack_from("<I", content, at + 1)
    text = content[at + 5 : at + 5 + size]
    kind = numbers.choice(["text", "plan", "plan in base64", "repeat"])
    if kind == "text":
        other = numbers.choice(_TEXTS)
    elif kind == "repeat":
        other = text * numbers.choice([2, 100, 3000])
    else:
        other, step = change_plan(_plan_of(text), numbers)
        kind = f"{kind}, {step}"
        other = other if kind == "plan" else base64.b64encode(other)
    other = other[: 6 << 20]
    return content[:at] + b"X" + struct.pack("<I", len(other)) + other + content[at + 5 + size :], f"{kind} at {at}"


def _plan_of(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return text


def change_plan(plan: bytes, numbers: random.Random) -> tuple[bytes, str]:
    """A header of another kind, numbers that are extreme, another size."""
    changed = bytearray(plan)
    kind = numbers.choice(["magic", "number", "numbers", "cut", "zeros", "description"])
    if kind == "magic":
        changed[:4] = numbers.choice([b"ftrt", b"ptrt", b"vtrt", b"nref", b"PK\3\4", b"\x1b[2J", b""])
    elif kind in ("number", "numbers"):
        for _ in range(1 if kind == "number" else 6):
            at = numbers.randrange(min(len(changed), 400) or 1)
            changed[at : at + 4] = struct.pack("<I", numbers.choice([0, 1, 255, 40_000, 1 << 31, 0xFFFFFFFF]))
    elif kind == "cut":
        del changed[numbers.randrange(len(changed) or 1) :]
    elif kind == "zeros":
        changed += bytes(numbers.choice([100, 4 << 20]))
    else:
        changed = bytearray(_reference(numbers))
    return bytes(changed), kind


def _reference(numbers: random.Random) -> bytes:
    """The start of a reference plan that tells of many tensors, extents or profiles."""
    counts = [numbers.choice([0, 1, 3, 700, 60_000, 700_000]) for _ in range(4)]
    tensor = struct.pack("<IiII", 0, 0, 0, counts[1]) + bytes(8 * min(counts[1], 4)) + struct.pack("<I", counts[2])
    body = struct.pack("<QiI", 0, 1, 0) + struct.pack("<I", counts[0]) + tensor * min(counts[0] + 1, 4000)
    body += bytes(numbers.choice([0, 100, 700_000]))
    return b"nref" + struct.pack("<IQ", 1, len(body) + 16) + body
