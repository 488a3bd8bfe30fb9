"""Changes of a file of source code, token by token."""

from __future__ import annotations

import random
import re

_TOKEN = re.compile(rb"\s+|\w+|\"[^\"\n]*\"|.", re.DOTALL)
_OTHERS = (
    b"(", b")", b"[", b"]", b"{", b"}", b"\n", b"  ", b"    ", b"=", b":", b",", b".", b"self", b"class ", b"def ",
    b"if ", b"else:", b"lambda ", b"CONSTANTS.c0", b"CONSTANTS.c99999", b"torch.relu(x)", b'getattr(self, "0")',
    b"getattr()", b"0x" + b"f" * 5000, b"9" * 5000, b"1e999", b"\xff\xfe", b"\0", b'"', b"'", b'"""', b"\\", b"#",
    b"@", b"-", b"not ", b"**", b'f"{x}"', b"\x0c", "\u202e".encode(), b"_1234567890123", b"__torch__.Small", b"*",
    b"async ", b"match x:",
)  # fmt: skip
_LARGE = (
    (b"(", b")"), (b"[", b"]"), (b"-", b""), (b"not ", b""), (b"a.", b""), (b"x+", b""), (b"f(", b")"), (b"1,", b""),
    (b"lambda x:", b""), (b"(x,", b")"), (b"{0:", b"}"), (b"a if b else ", b""), (b"x**", b""), (b'"a"', b""),
    (b'f"{', b'}"'),
)  # fmt: skip


def change(content: bytes, numbers: random.Random) -> tuple[bytes, str]:
    """A few tokens are other ones, are gone, are there again, or are many."""
    tokens = _TOKEN.findall(content)
    kinds = []
    for _ in range(numbers.choice([1, 1, 2, 4, 12])):
        at = numbers.randrange(len(tokens) + 1)
        kind = numbers.choice(["drop", "insert", "replace", "again", "swap", "large", "lines", "calls", "classes"])
        kinds.append(f"{kind} {at}")
        if kind == "drop":
            del tokens[at : at + numbers.choice([1, 2, 20])]
        elif kind == "insert":
            tokens.insert(at, numbers.choice(_OTHERS))
        elif kind == "replace":
            tokens[at : at + 1] = [numbers.choice(_OTHERS)]
        elif kind == "again":
            piece = b"".join(tokens[at : at + numbers.choice([1, 5, 60])])[: 1 << 16]
            tokens[at:at] = [piece * numbers.choice([1, 3, 500])]
        elif kind == "swap" and tokens:
            other = numbers.randrange(len(tokens))
            at = min(at, len(tokens) - 1)
            tokens[at], tokens[other] = tokens[other], tokens[at]
        elif kind == "large":
            start, end = numbers.choice(_LARGE)
            count = numbers.choice([90, 300, 3000, 60_000])
            tokens.insert(at, b"_9 = " * numbers.randrange(2) + start * count + b"x" + end * count)
        elif kind == "lines":
            line = numbers.choice([b"  a : int\n", b"    x = torch.relu(x)\n", b"\n", b"    x\n", b"  #\n", b'"\n'])
            tokens.insert(at, b"\n" + line * numbers.choice([100, 50_000]))
        elif kind == "calls":
            tokens.append(_calls(numbers))
        else:
            count = numbers.choice([2, 3000])
            tokens.append(b"".join(b"class C%d(Module):\n  a : int\n" % i for i in range(count)))
    return b"".join(tokens)[: 5 << 20], ", ".join(kinds)


def _calls(numbers: random.Random) -> bytes:
    """Functions each of which calls the one before it, twice."""
    count = numbers.choice([3, 80, 3000])
    lines = [b"def f0(x: Tensor) -> Tensor:\n  return torch.relu(x)\n"]
    lines += [
        b"def f%d(x: Tensor) -> Tensor:\n  y = __torch__.f%d(x)\n  return __torch__.f%d(y)\n" % (i, i - 1, i - 1)
        for i in range(1, count)
    ]
    return b"\n" + b"".join(lines)
