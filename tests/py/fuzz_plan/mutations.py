"""Plans of the reference engine with something wrong: in bytes, fields, members, pickles and source."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable

from tests.py import plan_files

Mutation = Callable[[random.Random, bytes, str], bytes]

_SOURCE = "code/__torch__.py"
_EDGES = (0, 1, 2, 7, 8, 127, 128, 255, 256, 1024, 65535, 65536, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
_WIDE = (*_EDGES, 1 << 40, (1 << 62), (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
_DEPTHS = (10, 70, 1000, 100_000)
_MAX_SOURCE = 4 << 20  # characters that repeating a line adds at most: nested ones are long

_OPERATORS = (
    "torch.from_file",
    "torch.save",
    "torch.add",
    "torch.mul",
    "torch.cat",
    "torch.zeros",
    "torch.as_strided",
    "torch.ljust",
    "torch.replace",
    "torch.factorial",
    "torch.pow",
    "torch.format",
    "torch.manual_seed",
    "torch.size",
    "torch.view",
    "torch.index_select",
    "torch.wait",
    "torch._unsafe_view",
    "ops.prim.RaiseException",
    "ops.prim.NumToTensor",
    "ops.prim.rpc_sync",
    "ops.aten.save",
    "ops.tensorrt.execute_engine",
    "ops.quantized.linear",
    "print",
    "int",
    "str",
    "getattr",
    "annotate",
    "fork",
    "__torch__.P",
    "self.forward",
)
_TOKENS = (
    "x",
    "self",
    "None",
    "True",
    "inf",
    "1",
    "-1",
    "9223372036854775807",
    "1e308",
    '"text"',
    "CONSTANTS.c0",
    "CONSTANTS.c99999999",
    "[]",
    "[1, 2]",
    "(1,)",
    "{}",
    "annotate(List[int], [])",
    "List[Tensor]",
    "Optional[Tensor]",
    "__torch__.torch.classes.tensorrt.Engine",
    "Future[Tensor]",
    "lambda x: x",
    "\n",
    "  ",
    "#",
    '"""',
    "\\",
    "\x00",
    "\x1b[2J",
    "é",
)
_LINES = (
    '    torch.from_file("WRITTEN", True, 16)',
    '    torch.fill_(torch.from_file("WRITTEN", True, 16), 1)',
    '    torch.save(x, "WRITTEN")',
    "    while True:\n      pass",
    "    for i in range(9223372036854775807):\n      pass",
    "    t = (x, x)",
    "    t = (t, t)",
    '    s = "ab"',
    "    s = torch.add(s, s)",
    "    l = [x, x]",
    "    if bool(x):\n      y = x\n    else:\n      y = 1",
    "    x, y, = x",
    "    return x",
    "    with x:\n      pass",
    "    def f():\n      return x",
    "    self.x = x",
    "    __parameters__ = []",
)
_METHODS = (
    "  def __setstate__(self: __torch__.ReferenceNetwork,\n    state: Tuple[int]) -> NoneType:\n"
    '    _0 = torch.fill_(torch.from_file("WRITTEN", True, 16), 1)\n    return None\n',
    "  def __getstate__(self: __torch__.ReferenceNetwork) -> int:\n    return 1\n",
    "  def other(self: __torch__.ReferenceNetwork,\n    x: Tensor) -> Tensor:\n    return x\n",
    "  a : Tensor\n",
    "  a : __torch__.torch.classes.tensorrt.Engine\n",
    "  a : Dict[str, Tensor]\n",
    "class P(NamedTuple):\n  a : Tensor\n  b : int\n",
    "class E(Enum):\n  A = 1\n",
    "class C:\n  a : int\n  def __init__(self: __torch__.C) -> NoneType:\n    return None\n",
    "class I(ModuleInterface):\n  def forward(self, x: Tensor) -> Tensor:\n    pass\n",
    "def f(x: Tensor) -> Tensor:\n  return x\n",
)


def generate(seed: int, plans: list[bytes], written: str) -> bytes:
    """The case of `seed`: one of the plans with one to four mutations. A file that is made has the path `written`."""
    chance = random.Random(seed)
    plan = chance.choice(plans)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
        try:
            plan = chance.choice(MUTATIONS)(chance, plan, written)
        except (ValueError, IndexError, KeyError, OSError, RuntimeError, struct.error, NotImplementedError):
            break  # an earlier mutation left nothing that this one could take apart
        except Exception as error:  # zipfile and zlib have errors of their own
            if type(error).__module__ not in ("zipfile", "zlib"):
                raise
            break
    return plan


# ---- bytes


def _damaged(chance: random.Random, data: bytes) -> bytes:
    """`data` with a few bytes changed, left out, put in, or moved."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(found) + 1)
        kind = chance.randrange(5)
        if kind == 0 and at < len(found):
            found[at] ^= 1 << chance.randrange(8)
        elif kind == 1 and at < len(found):
            found[at] = chance.choice((0, 0xFF, 0x7F, 0x80, chance.randrange(256)))
        elif kind == 2:
            del found[at : at + chance.choice((1, 2, 4, 64))]
        elif kind == 3:
            found[at:at] = chance.randbytes(chance.choice((1, 2, 4, 8)))
        else:
            piece = found[at : at + chance.randrange(1, 64)]
            to = chance.randrange(len(found) + 1)
            found[to:to] = piece
    return bytes(found)


def _any_bytes(chance: random.Random, plan: bytes, written: str) -> bytes:
    return _damaged(chance, plan)


def _sealed_bytes(chance: random.Random, plan: bytes, written: str) -> bytes:
    return plan_files.sealed(_damaged(chance, plan))


def _cut(chance: random.Random, plan: bytes, written: str) -> bytes:
    cut = plan[: chance.randrange(len(plan))]
    return plan_files.sealed(cut) if len(cut) > 24 and chance.random() < 0.7 else cut


def _field(chance: random.Random, plan: bytes, written: str) -> bytes:
    head, archive = plan_files.split(plan)
    at = chance.randrange(24, len(head) - 4)
    if chance.random() < 0.5:
        changed = head[:at] + struct.pack("<I", chance.choice(_EDGES)) + head[at + 4 :]
    else:
        changed = head[:at] + struct.pack("<Q", chance.choice(_WIDE)) + head[at + 8 :]
    return plan_files.joined(changed, archive)


def _archive_bytes(chance: random.Random, plan: bytes, written: str) -> bytes:
    head, archive = plan_files.split(plan)
    return plan_files.joined(head, _damaged(chance, archive))


def _directory(chance: random.Random, plan: bytes, written: str) -> bytes:
    """A wrong number in the zip's own records."""
    head, archive = plan_files.split(plan)
    places = [found.start() for found in re.finditer(rb"PK(\x01\x02|\x03\x04|\x05\x06|\x06\x06|\x06\x07)", archive)]
    at = chance.choice(places) + chance.randrange(4, 46)
    size = chance.choice((2, 4))
    number = chance.choice(_EDGES) & ((1 << (8 * size)) - 1)
    return plan_files.joined(head, archive[:at] + number.to_bytes(size, "little") + archive[at + size :])


# ---- members


def _members(chance: random.Random, plan: bytes, written: str) -> bytes:
    head, _ = plan_files.split(plan)
    contents = list(plan_files.members(plan).items())
    names = [name for name, _ in contents]
    at = chance.randrange(len(contents))
    name, data = contents[at]
    kind = chance.randrange(9)
    compress: list[str] = []
    folder = "archive/"
    if kind == 0:
        del contents[at]
    elif kind == 1:
        contents.append((name, chance.choice((data, b"", _damaged(chance, data)))))
    elif kind == 2:
        contents.append((name.upper(), data))
    elif kind == 3:
        contents[at] = (chance.choice(("../" + name, "a/" + name, name + "\x00", name.title(), "é")), data)
    elif kind == 4:
        contents[at] = (name, bytes(chance.choice((1 << 16, 1 << 20, 32 << 20))))
        compress = [name]
    elif kind == 5:
        other = chance.choice(contents)
        contents[at] = (name, other[1])
    elif kind == 6:
        extra = ("extra/a", "attributes.pkl", ".data/version", "code/__torch__/a.py", "tensors.json", "model.json")
        contents.append((chance.choice(extra), data))
    elif kind == 7:
        chance.shuffle(contents)
        folder = chance.choice(("", "/", "a/b/", "ARCHIVE/", "archive/"))
    else:
        compress = names
    return plan_files.joined(head, plan_files.packed(contents, compress, folder))


def _text_member(chance: random.Random, plan: bytes, written: str) -> bytes:
    name = chance.choice(("version", "byteorder", ".data/serialization_id", "code/__torch__.py.debug_pkl"))
    return plan_files.changed(plan, {name: chance.choice((b"", b"0", b"99999999999999999999", b"big", b"\xff" * 100))})


# ---- pickles

_OPCODES = b".()]}N\x88\x89KMJ\x8aGXt\x85\x86\x87eusaqrhjc\x81bRQ0l"
_PIECES = (
    b"c__torch__\nReferenceNetwork\n)\x81",
    b"c__torch__.torch.classes.tensorrt\nEngine\n)\x81",
    b"ctorch.jit._pickle\nrestore_type_tag\n",
    b"ctorch.jit._pickle\nbuild_intlist\n",
    b"ctorch.jit._pickle\nbuild_tensor_from_id\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch._utils\n_rebuild_qtensor\n",
    b"ctorch._utils\n_rebuild_sparse_tensor\n",
    b"ctorch._tensor\n_rebuild_from_type_v2\n",
    b"ctorch.distributed.rpc\nrref\n",
    b"ctorch\nFloatStorage\n",
    b"ctorch\ndevice\n",
    b"ccollections\nOrderedDict\n",
    b"cos\nsystem\n",
    b"c__main__\nTensorID\n",
    b"X\x07\x00\x00\x00storage",
    b"X\x0c\x00\x00\x00List[Tensor]",
    b"r\xff\xff\xff\x7f",
    b"j\xff\xff\xff\x7f",
    b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80",
    b"J\xff\xff\xff\xff",
    b"X\xff\xff\xff\x7f",
)


def _pickle(chance: random.Random, plan: bytes, written: str) -> bytes:
    name = chance.choice(("data.pkl", "constants.pkl"))
    data = bytearray(plan_files.members(plan)[name])
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(2, len(data) + 1)
        kind = chance.randrange(7)
        if kind == 0:
            data[at:at] = bytes([chance.choice(_OPCODES)])
        elif kind == 1 and at < len(data):
            data[at] = chance.choice(_OPCODES)
        elif kind == 2:
            data[at:at] = chance.choice(_PIECES)
        elif kind == 3:
            depth = chance.choice(_DEPTHS)
            data[at:at] = chance.choice((b"(" * depth + b"t" * depth, b"]" * depth, b")" + b"\x85" * depth))
        elif kind == 4:
            numbers = [found.start() for found in re.finditer(rb"[KMJ\x8a]", data)]
            place = chance.choice(numbers)
            data[place : place + 2] = b"\x8a\x08" + struct.pack("<Q", chance.choice(_WIDE))
        elif kind == 5:
            piece = data[at : at + chance.randrange(1, 40)]
            to = chance.randrange(2, len(data) + 1)
            data[to:to] = piece * chance.choice((1, 2, 50))
        else:
            del data[at : at + chance.choice((1, 2, 5, 20))]
    return plan_files.changed(plan, {name: bytes(data)})


def _memory(chance: random.Random, plan: bytes, written: str) -> bytes:
    """A tensor's memory of another size, or with another content."""
    names = [name for name in plan_files.members(plan) if re.fullmatch(r"(data|constants)/\d+", name)]
    name = chance.choice(names)
    data = plan_files.members(plan)[name]
    other = chance.choice(
        (b"", data[:-1], data * 2, bytes(len(data)), b"\xff" * len(data), chance.randbytes(len(data)))
    )
    return plan_files.changed(plan, {name: other})


# ---- source


def _source(chance: random.Random, plan: bytes, written: str) -> bytes:
    source = plan_files.members(plan)[_SOURCE].decode("utf-8", "replace")
    for _ in range(chance.choice((1, 1, 2, 3))):
        source = chance.choice(_SOURCE_MUTATIONS)(chance, source)
    return plan_files.with_source(plan, source.replace("WRITTEN", written))


def _replace_token(chance: random.Random, source: str) -> str:
    found = chance.choice(list(re.finditer(r"\w+(?:\.\w+)*|\S", source)))
    token = chance.choice((*_TOKENS, *_OPERATORS))
    return source[: found.start()] + token + source[found.end() :]


def _replace_operator(chance: random.Random, source: str) -> str:
    found = chance.choice(list(re.finditer(r"[\w.]+(?=\()", source)))
    return source[: found.start()] + chance.choice(_OPERATORS) + source[found.end() :]


def _insert_token(chance: random.Random, source: str) -> str:
    at = chance.randrange(len(source) + 1)
    return source[:at] + chance.choice(_TOKENS) + source[at:]


def _insert_line(chance: random.Random, source: str) -> str:
    lines = source.split("\n")
    at = chance.randrange(len(lines) + 1)
    lines[at:at] = [chance.choice(_LINES)] * chance.choice((1, 1, 2, 40))
    return "\n".join(lines)


def _insert_member(chance: random.Random, source: str) -> str:
    lines = source.split("\n")
    at = chance.choice((0, 1, 3, len(lines) - 1, chance.randrange(len(lines))))
    lines[at:at] = chance.choice(_METHODS).rstrip("\n").split("\n")
    return "\n".join(lines)


def _move_line(chance: random.Random, source: str) -> str:
    lines = source.split("\n")
    line = lines.pop(chance.randrange(len(lines)))
    if chance.random() < 0.6:
        lines.insert(chance.randrange(len(lines) + 1), line)
    return "\n".join(lines)


def _repeat_line(chance: random.Random, source: str) -> str:
    lines = source.split("\n")
    at = chance.randrange(len(lines))
    times = chance.choice((1, 2, 50, 1000))
    lines[at:at] = [lines[at]] * min(times, 1 + _MAX_SOURCE // (len(lines[at]) + 1))
    return "\n".join(lines)


def _nest(chance: random.Random, source: str) -> str:
    found = chance.choice(list(re.finditer(r"\b[x_]\d*\b", source)))
    depth = chance.choice(_DEPTHS)
    before, after = chance.choice((("(", ")"), ("[", "]"), ("torch.neg(", ")"), ("-", ""), ("", "[0]"), ("", " + x")))
    return source[: found.start()] + before * depth + found[0] + after * depth + source[found.end() :]


def _deep_blocks(chance: random.Random, source: str) -> str:
    depth = chance.choice((10, 150, 250, 1500))
    lines = ["  " * (2 + i) + "if bool(x):" for i in range(depth)]
    tail = ["  " * (2 + depth) + "pass"]
    closing = [part for i in reversed(range(depth)) for part in ("  " * (2 + i) + "else:", "  " * (3 + i) + "pass")]
    whole = source.split("\n")
    at = next((i for i, line in enumerate(whole) if line.endswith(":") and " -> " in line), 0) + 1
    return "\n".join([*whole[:at], *lines, *tail, *closing, *whole[at:]])


_SOURCE_MUTATIONS: tuple[Callable[[random.Random, str], str], ...] = (
    _replace_token,
    _replace_operator,
    _insert_token,
    _insert_line,
    _insert_member,
    _move_line,
    _repeat_line,
    _nest,
    _deep_blocks,
)

MUTATIONS: tuple[Mutation, ...] = (
    _any_bytes,
    _sealed_bytes,
    _cut,
    _field,
    _field,
    _archive_bytes,
    _directory,
    _members,
    _members,
    _text_member,
    _pickle,
    _pickle,
    _pickle,
    _memory,
    _source,
    _source,
    _source,
    _source,
)
