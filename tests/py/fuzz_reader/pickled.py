"""Changes of a pickle, opcode by opcode."""

from __future__ import annotations

import pickletools
import random
import struct

_NAMES = (
    b"c__torch__.torch.classes.tensorrt\nEngine\n", b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch.jit._pickle\nrestore_type_tag\n", b"ctorch.jit._pickle\nbuild_intlist\n", b"ccollections\nOrderedDict\n",
    b"cos\nsystem\n", b"ctorch\nFloatStorage\n", b"ctorch\ndevice\n", b"c__torch__\nColor\n", b"cbuiltins\ncomplex\n",
    b"ctorch._tensor\n_rebuild_from_type_v2\n", b"c" + b"n" * 5000 + b"\nx\n", b"c\xff\n\xff\n",
)  # fmt: skip
_SIMPLE = [bytes([code]) for code in b"N\x88\x89)]}(.tldaesubRQ0\x81\x85\x86\x87"]
_NUMBERS = (0, 1, -1, 255, 1 << 31, -(1 << 31), (1 << 63) - 1, -(1 << 63))
_REPEATS = (2, 10, 1000, 100_000)


def operations(content: bytes) -> list[bytes]:
    """A pickle's operations with their arguments."""
    starts = [position for _, _, position in pickletools.genops(content)]
    return [content[start:end] for start, end in zip(starts, [*starts[1:], len(content)], strict=True)]


def change(content: bytes, numbers: random.Random) -> tuple[bytes, str]:
    """A few operations are other ones, are gone, change places, or are there many times."""
    try:
        steps = operations(content)
    except Exception:  # it was changed already
        return content, "nothing"
    kinds = []
    for _ in range(numbers.choice([1, 1, 2, 3, 8])):
        at = numbers.randrange(len(steps)) if steps else 0
        kind = numbers.choice(
            ["drop", "swap", "insert", "replace", "again", "repeat", "nested", "wide", "shared", "long"]
        )
        kinds.append(f"{kind} {at}")
        if kind == "drop":
            del steps[at : at + numbers.choice([1, 2, 5])]
        elif kind == "swap" and len(steps) > 1:
            other = numbers.randrange(len(steps))
            steps[at], steps[other] = steps[other], steps[at]
        elif kind == "insert":
            steps.insert(at, _operation(numbers))
        elif kind == "replace":
            steps[at : at + 1] = [_operation(numbers)]
        elif kind == "again":
            end = at + numbers.choice([1, 3, 10, 40])
            steps[at:at] = steps[at:end]
        elif kind == "repeat":
            end = at + numbers.choice([1, 2, 3, 6])
            piece = b"".join(steps[at:end])
            steps[at:at] = [piece * min(numbers.choice(_REPEATS), (8 << 20) // (len(piece) or 1))]
        else:
            steps.insert(at, _value(kind, numbers))
    return b"".join(steps)[: 8 << 20], ", ".join(kinds)


def _operation(numbers: random.Random) -> bytes:
    kind = numbers.randrange(9)
    if kind == 0:
        return numbers.choice(_NAMES)
    if kind == 1:
        return b"J" + struct.pack("<i", max(-(1 << 31), min((1 << 31) - 1, numbers.choice(_NUMBERS))))
    if kind == 2:
        size = numbers.choice([0, 1, 8, 9, 255])
        return b"\x8a" + bytes([size]) + numbers.randbytes(size)
    if kind == 3:
        return b"G" + struct.pack(">d", numbers.choice([0.0, -0.0, 1e308, float("inf"), float("nan")]))
    if kind == 4:
        text = numbers.choice(
            [b"", b"a", b"\xff\xfe", "\U0001f600".encode() * 30, b"%@" * 40, b"\x1b[2J", b"x" * 70_000]
        )
        return b"X" + struct.pack("<I", len(text)) + text
    if kind == 5:
        return numbers.choice([b"q", b"h"]) + bytes([numbers.randrange(256)])
    if kind == 6:
        return numbers.choice([b"r", b"j"]) + struct.pack("<I", numbers.choice([0, 3, 300, 70_000, 0xFFFFFFFF]))
    if kind == 7:
        return numbers.choice([b"X", b"\x8d", b"B"]) + struct.pack("<Q", numbers.choice([1, 70_000, 1 << 31, 1 << 62]))
    return numbers.choice(_SIMPLE)


def _value(kind: str, numbers: random.Random) -> bytes:
    """A value that is large in some way, left on the stack."""
    count = numbers.choice([10, 150, 250, 5000, 200_000])
    if kind == "nested":
        inner, step = numbers.choice([(b")", b"\x85"), (b"]", b"\x85"), (b"N", b"\x86N"), (b"N", b"\x85\x85")])
        return inner + step * count
    if kind == "wide":
        item = numbers.choice([b"]", b"}", b")", b"N", b"K\1", b"X\1\0\0\0a", b"G" + bytes(8), b"]N\x86", b"}NNs"])
        return b"](" + item * count + b"e"
    if kind == "shared":
        steps = b"".join(
            b"r" + struct.pack("<I", i) + b"j" + struct.pack("<I", i) + b"\x86" for i in range(min(count, 250))
        )
        return b"N\x85" + steps
    key = b"X" + struct.pack("<I", 60_000) + b"k" * 60_000
    return b"}" + key + b"](" + b"K\1" * min(count, 20_000) + b"es"
