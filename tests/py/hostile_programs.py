"""Small files that are much work to read, made anew for each test."""

from __future__ import annotations

import struct
from collections.abc import Callable

from tests.py.zip_files import Entry, written

CLASS = b"c__torch__\nM\n"
SOURCE = b"class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  a : Any\n"


def text(content: bytes) -> bytes:
    """A text in a pickle."""
    return b"X" + struct.pack("<I", len(content)) + content


def pickle(value: bytes) -> bytes:
    """A module whose attribute `a` is the value that these operations leave."""
    return b"\x80\x02" + CLASS + b")\x81}" + text(b"a") + value + b"sb."


def program(
    value: bytes = b"N",
    source: bytes = SOURCE,
    method: int = 8,
    others: tuple[Entry, ...] = (),
    constants: bytes = b"\x80\x02).",
    **members: bytes,
) -> bytes:
    """A program of these parts, deflated."""
    entries = [
        Entry(b"m/data.pkl", members.get("data", pickle(value)), method),
        Entry(b"m/code/__torch__.py", source, method),
        Entry(b"m/constants.pkl", constants, method),
        Entry(b"m/version", b"3\n"),
        *others,
    ]
    return written(entries)


def forward(lines: bytes, before: bytes = b"") -> bytes:
    """A source whose forward has these lines."""
    return (
        before + SOURCE + b"  def forward(self: __torch__.M,\n    x: Tensor) -> Tensor:\n" + lines + b"    return x\n"
    )


def wide(item: bytes, count: int, before: bytes = b"") -> bytes:
    """A list of items."""
    return before + b"](" + item * count + b"e"


def memo(index: int) -> bytes:
    return b"r" + struct.pack("<I", index)


def engine(*fields: bytes) -> bytes:
    """An engine with a record of these fields."""
    return b"c__torch__.torch.classes.tensorrt\nEngine\n)\x81](" + b"".join(map(text, fields)) + b"eb"


def engines(count: int) -> bytes:
    """Engines that share the texts of one record, with many names."""
    names = b"%".join(b"%d" % i for i in range(10_000))
    shared = [b"5", b"net", b"0%0%0%0%cpu", b"QUJD", names, b"y", b"0"]
    kept = b"".join(text(field) + memo(i) for i, field in enumerate(shared))
    one = b"h\x08)\x81](" + b"".join(b"h" + bytes([i]) for i in range(7)) + b"eb"
    return b"](" + kept + b"c__torch__.torch.classes.tensorrt\nEngine\n" + memo(8) + b"0" * 8 + one * count + b"e"


def tensor() -> bytes:
    storage = b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(b"0") + text(b"cpu") + b"K\1tQ"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0K\1\x85K\1\x85\x89ccollections\nOrderedDict\n)RtR"


def described(tensors: int, rank: int, profiles: int) -> bytes:
    """A reference plan that tells of many tensors, extents or profiles, most of which take no bytes."""
    one = struct.pack("<IiII", 0, 0, 0, rank) + bytes(8 * rank) + struct.pack("<I", profiles)
    body = struct.pack("<QiI", 0, 1, 0) + struct.pack("<I", tensors) + one * min(tensors, 30_000) + bytes(700_000)
    return b"nref" + struct.pack("<IQ", 1, len(body) + 16) + body


def calls(count: int) -> bytes:
    """Functions each of which calls the one before it twice."""
    lines = [b"def f0(x: Tensor) -> Tensor:\n  return torch.relu(x)\n"]
    lines += [
        b"def f%d(x: Tensor) -> Tensor:\n  y = __torch__.f%d(x)\n  return __torch__.f%d(y)\n" % (i, i - 1, i - 1)
        for i in range(1, count)
    ]
    return b"".join(lines)


def everything() -> bytes:
    """A program that is near several limits at once: values, texts, engines, bytes, source, statements, definitions."""

    def again(index: int, count: int, after: bytes = b"") -> bytes:
        return (b"j" + memo(index)[1:] + after) * count

    values = [
        text("\U0001f600".encode() + b"\xff" * 1000) * 1500,
        engine(b"5", b"net", b"0%0%0%0%cpu", b"QUJD", b"x", b"y", b"0") + memo(0) + again(0, 1500),
        tensor() + memo(1) + again(1, 30_000),
        b"c__torch__\nN\n" + memo(2) + b"0" + again(2, 6_000, b")\x81}b"),
        b"]" * 20_000,
        engine(b"3", b"large", b"0%0%0%0%cpu", b"ftrt" + bytes(16 << 20)),
    ]
    source = [
        SOURCE + b"  b : List[" + b"1," * 23_000 + b"]\n",
        b"".join(b"  a%d:T\n" % i for i in range(30_000)),
        b"".join(b"class C%d(M):\n  b : List[" % i + b"1," * 2_000 + b"]\n" for i in range(600)),
        b"def forward(self: __torch__.M,\n    x: Tensor) -> Tensor:\n",
        b"".join(b"    x = torch.a%d(x)\n" % i for i in range(20_000)) + b"    return x\n",
    ]
    members = tuple(Entry(b"m/extra/%d" % i, b"") for i in range(10_000))
    return program(b"](" + b"".join(values) + b"e", source=b"".join(source), others=members)


KEY = b"k" * 60_000
MANY = 4_000_000
"""More than any limit of a small file allows."""

REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "a deep tuple as a key": (
        lambda: program(b"}" + b")" + b"\x85" * 100_000 + b"Ns"),
        "a key of a dict is of type tuple",
    ),
    "a tuple that shares itself as a key": (
        lambda: program(b"}" + b"N\x85" + b"".join(memo(i) + b"j" + memo(i)[1:] + b"\x86" for i in range(60)) + b"Ns"),
        "a key of a dict is of type tuple",
    ),
    "a tuple that shares itself": (
        lambda: program(b"N\x85" + b"".join(memo(i) + b"j" + memo(i)[1:] + b"\x86" for i in range(60))),
        "values: ",
    ),
    "a call with what shares itself": (
        lambda: program(
            b"c__torch__\nunknown\nN\x85" + b"".join(memo(i) + b"j" + memo(i)[1:] + b"\x86" for i in range(60)) + b"R"
        ),
        "is called with a tuple; wanted an enum's value",
    ),
    "a list that holds itself": (lambda: program(b"]q\0h\0a"), "a value holds itself"),
    "a deep list": (lambda: program(b"]" * 50_000 + b"a" * 49_999), "nested too deeply: levels: "),
    "lists joined from the outside": (
        lambda: program(
            b"]("
            + b"".join(b"]" + memo(i) for i in range(300))
            + b"e0"
            + b"".join(b"j" + memo(i)[1:] + b"j" + memo(i + 1)[1:] + b"a0" for i in range(299))
            + b"j"
            + memo(0)[1:]
        ),
        "nested too deeply: levels: ",
    ),
    "many values": (lambda: program(wide(b"]", MANY)), "values: 100"),
    "many values that are dropped": (lambda: program(b"N0" * MANY + b"N"), "values: 100"),
    "a value that is held many times": (lambda: program(wide(b"h\0", MANY, b"]q\x000")), "values: 100"),
    "a deep path of long names": (
        lambda: program((b"}" + text(KEY[:9000])) * 90 + wide(b"K\1", 2000) + b"s" * 90),
        "characters of paths to values: ",
    ),
    "a place in a memo that is far away": (
        lambda: program(b"Nr\xff\xff\xff\xff"),
        "value 4294967295 is kept for later",
    ),
    "engines with many names": (lambda: program(engines(1500)), "bytes of records beside plans: "),
    "a tensor of many dimensions": (
        lambda: program(tensor().replace(b"K\1\x85K\1\x85", b"(" + (b"\x8a\x08" + b"\x7f" * 8) * 5000 + b"t)")),
        "a tensor has more elements than can be counted",
    ),
    "many bytes of texts": (
        lambda: program(wide(text("\U0001f600".encode() + b"\xff" * 30_000), 1000)),
        "bytes of texts: ",
    ),
    "an engine that is held many times": (
        lambda: program(wide(b"h\0", 80_000, engine(b"3", b"net", b"0%0%0%0%cpu", b"ftrt") + b"q\x000")),
        "engines: 80000 or more; wanted at most 2000",
    ),
    "a number of 255 bytes": (lambda: program(b"\x8a\xff" + b"\x7f" * 255), "a number has 255 bytes; wanted at most 8"),
    "a large source": (lambda: program(source=SOURCE + b"# \n" * MANY), "bytes of source code: "),
    "a large statement": (
        lambda: program(source=SOURCE + b"  b : List[" + b"1," * 200_000 + b"]\n"),
        "words and marks of a statement: ",
    ),
    "brackets that stay open": (
        lambda: program(source=SOURCE + b"  b : (\n" + b"\n" * 300_000),
        "words and marks of a statement: ",
    ),
    "many classes": (
        lambda: program(source=SOURCE + b"".join(b"class C%d(M):\n" % i for i in range(200_000))),
        "classes, functions and attributes, weighed: ",
    ),
    "many attributes": (
        lambda: program(source=SOURCE + b"".join(b"  a%d:T\n" % i for i in range(300_000))),
        "classes, functions and attributes, weighed: ",
    ),
    "many arguments": (
        lambda: program(
            source=SOURCE
            + b"".join(b"def f%d(%s):\n  0\n" % (i, b",".join(b"a%d" % k for k in range(9999))) for i in range(60))
        ),
        "classes, functions and attributes, weighed: ",
    ),
    "functions that call twice": (lambda: program(source=forward(b"    x = __torch__.f99(x)\n", calls(100))), "2^63"),
    "operators without end": (
        lambda: program(
            source=forward(
                b"    x = __torch__.f999(x)\n",
                calls(1000).replace(
                    b"return torch.relu(x)", b"\n".join(b"  torch.a%d(x)" % i for i in range(5000)).strip()
                ),
            )
        ),
        "operators of functions: ",
    ),
    "a large extra file": (
        lambda: program(others=(Entry(b"m/extra/large", bytes(1 << 27), 8),)),
        'member "m/extra/large" of 134217728 bytes: ',
    ),
    "a large plan": (
        lambda: program(engine(b"3", b"net", b"0%0%0%0%cpu", b"ftrt" + bytes(1 << 26))),
        "bytes unpacked: ",
    ),
    "a member that is larger than it says": (
        lambda: program(others=(Entry(b"m/code/a.py", bytes(1 << 22), 8, table={"size": 9}, header={"size": 9}),)),
        "entry code/a.py cannot be read: it unpacks to more than 9 bytes",
    ),
}

READ: dict[str, Callable[[], bytes]] = {
    "values under a long key": lambda: program(b"}" + text(KEY) + wide(b"K\1", 20_000) + b"s"),
    "values up to the limit": lambda: program(wide(b"K\1", 90_000)),
    "lists up to the limit": lambda: program(wide(b"]", 90_000)),
    "dicts up to the limit": lambda: program(wide(b"}NNs", 24_000)),
    "texts up to the limit": lambda: program(wide(text("é€".encode()), 90_000)),
    "texts that are not UTF-8": lambda: program(wide(text("\U0001f600".encode() + b"\xff" * 1000), 1900)),
    "tensors up to the limit": lambda: program(wide(b"h\0", 90_000, tensor() + b"q\x000")),
    "objects up to the limit": lambda: program(wide(b"h\0)\x81}b", 20_000, b"c__torch__\nN\nq\x000")),
    "an engine up to the limit": lambda: program(
        wide(b"h\0", 1900, engine(b"5", b"net", b"0%0%0%0%cpu", b"QUJD", b"x", b"y", b"0") + b"q\x000")
    ),
    "classes up to the limit": lambda: program(source=SOURCE + b"".join(b"class C%d(M):\n" % i for i in range(9_000))),
    "attributes up to the limit": lambda: program(source=SOURCE + b"".join(b"  a%d:T\n" % i for i in range(70_000))),
    "operators up to the limit": lambda: program(
        source=forward(b"".join(b"    x = torch.a%d(x)\n" % i for i in range(40_000)))
    ),
    "a statement up to the limit": lambda: program(source=SOURCE + b"  b : List[" + b"1," * 23_000 + b"]\n"),
    "a long list of floats": lambda: program(
        source=forward(b"    x = torch.tensor([" + b"0.10000000000000001, " * 10_000 + b"])\n")
    ),
    "a call up to the limit": lambda: program(
        source=forward(b"    x = " + b"f(" * 90 + b"0," * 23_000 + b")" * 90 + b"\n")
    ),
    "members without end": lambda: program(others=tuple(Entry(b"m/extra/%d" % i, b"") for i in range(40_000))),
    "names of an engine": lambda: program(engines(20)),
    "a large plan, deflated": lambda: program(engine(b"3", b"net", b"0%0%0%0%cpu", b"ftrt" + bytes(30 << 20))),
    "a large plan, deflated, in base64": lambda: program(
        engine(b"5", b"net", b"0%0%0%0%cpu", b"Z" * (24 << 20), b"x", b"y", b"0")
    ),
    "a plan of many tensors": lambda: program(engine(b"3", b"net", b"0%0%0%0%cpu", described(30_000, 0, 0))),
    "a plan of many profiles": lambda: program(engine(b"3", b"net", b"0%0%0%0%cpu", described(700_000, 0, 700_000))),
    "a plan of many extents": lambda: program(engine(b"3", b"net", b"0%0%0%0%cpu", described(1, 80_000, 0))),
    "numbers of many digits": lambda: program(
        source=SOURCE
        + b"  def f(self,\n    n: int=0x"
        + b"f" * 5000
        + b") -> int:\n    return 0x"
        + b"f" * 5000
        + b"\n"
    ),
    "decimal numbers of many digits": lambda: program(source=SOURCE + b"  b : Final[" + b"9" * 5000 + b"]\n"),
    "deep expressions": lambda: program(source=forward(b"    x = " + b"-" * 40_000 + b"x\n")),
    "deep brackets": lambda: program(source=forward(b"    x = " + b"(" * 23_000 + b"x" + b")" * 23_000 + b"\n")),
    "long chains": lambda: program(source=forward(b"    x = " + b"a." * 23_000 + b"b(x)\n")),
    "long sums": lambda: program(source=forward(b"    x = " + b"a+" * 23_000 + b"b(x)\n")),
    "much of everything": everything,
    "calls in a circle": lambda: program(
        source=forward(
            b"    x = __torch__.f(x)\n", b"def f(x):\n  return __torch__.g(x)\ndef g(x):\n  return __torch__.f(x)\n"
        )
    ),
    "getattr without arguments": lambda: program(source=forward(b"    x = getattr()(x)\n    y = getattr(x)(1)\n")),
    "a source of zero bytes": lambda: program(source=SOURCE + b"\0" * 1000),
    "constants that are no tuple": lambda: program(constants=b"\x80\x02N."),
    "a call with what shares itself, not shown whole": lambda: program(
        b"cunknown\nfunction\nN\x85" + b"".join(memo(i) + b"j" + memo(i)[1:] + b"\x86" for i in range(15)) + b"R"
    ),
}
