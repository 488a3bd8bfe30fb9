"""A plan of the reference engine runs nothing when it is set up, and has one form: others are refused by name."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

import torch_nacelle as nacelle
from tests.py import plan_files

CLASS = """\
class ReferenceNetwork(Module):
  __parameters__ = []
  __buffers__ = []
"""
FORWARD = """\
  def forward(self: __torch__.ReferenceNetwork,
    x: Tensor) -> Tensor:
"""


class Weighted(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.arange(6.0).view(2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.weight]).sum(1)


def plan_of(module: torch.nn.Module) -> bytes:
    return bytes(nacelle.build_engine(torch.jit.script(module), [torch.ones(2, 3)], backend="reference"))


@pytest.fixture(scope="module")
def plan() -> bytes:
    return plan_of(Weighted())


def refusal(plan: bytes) -> str:
    """Why the engine of the plan cannot run."""
    program = nacelle.embed(plan, input_names=["input_0"], output_names=["output_0"])
    with pytest.raises(nacelle.PlanError) as caught:
        program(torch.ones(2, 3))
    return str(caught.value)


def test_the_parts_of_a_plan_are_a_plan(plan: bytes) -> None:
    found = nacelle.embed(plan_files.changed(plan, {}))(torch.ones(2, 3))
    assert torch.equal(found, Weighted()(torch.ones(2, 3)))


SET_STATE = """\
  def __setstate__(self: __torch__.ReferenceNetwork,
    state: Tuple[int]) -> NoneType:
    _0 = torch.fill_(torch.from_file("PATH", True, 16), 1)
    return None
"""
FOLDED = FORWARD + '    return torch.add(x, torch.fill_(torch.from_file("PATH", True, 16, dtype=6), 1.))\n'
CODE: dict[str, tuple[str, str]] = {
    "setstate": (CLASS + FORWARD + "    return x\n" + SET_STATE, r'method "__setstate__"; wanted forward alone'),
    "setstate first": (CLASS + SET_STATE + FORWARD + "    return x\n", r'method "__setstate__"; wanted forward alone'),
    "folded": (CLASS + FOLDED, r"aten::from_file, which reads or writes files"),
    "saves": (
        CLASS + FORWARD + '    torch.save(x, "PATH")\n    return x\n',
        r"aten::save, which reads or writes files",
    ),
    "another class": (
        CLASS + FORWARD + "    return x\nclass Other(Module):\n" + SET_STATE,
        r'class "__torch__.Other"; wanted "__torch__.ReferenceNetwork" alone',
    ),
    "a plain class": (
        "class Other:\n" + SET_STATE.replace("ReferenceNetwork", "Other") + CLASS + FORWARD + "    return x\n",
        r'class "__torch__.Other"',
    ),
    "an engine": (
        CLASS + "  inner : __torch__.torch.classes.tensorrt.Engine\n" + FORWARD + "    return x\n",
        r'type is "__torch__.torch.classes.tensorrt.Engine"; wanted a tensor',
    ),
    "a method of a named tuple": (
        CLASS + FORWARD + "    return x\nclass P(NamedTuple):\n  a : Tensor\n" + SET_STATE,
        r"method .* of a named tuple; wanted fields",
    ),
    "a function": (CLASS + FORWARD + "    return x\ndef f(x: Tensor) -> Tensor:\n  return x\n", r'wanted "class "'),
    "a hook": (
        CLASS.rstrip("\n") + '\n  __forward_pre_hooks__ = ["hook", ]\n' + FORWARD + "    return x\n",
        r'found "__forward_pre_hooks__"; wanted attributes and forward',
    ),
    "an import": ("import os\n" + CLASS + FORWARD + "    return x\n", r'found "import os"; wanted "class "'),
    "a custom operator": (
        CLASS + FORWARD + "    return ops.mine.run(x)\n",
        r"mine::run, which is not one of torch's own",
    ),
    "the seed": (CLASS + FORWARD + "    torch.manual_seed(1)\n    return x\n", r"aten::manual_seed, which has effects"),
    "an unknown function": (CLASS + FORWARD + '    return getattr(x, "data")\n', r'call of "getattr"'),
    "a method call": (CLASS + FORWARD + '    x.save("PATH")\n    return x\n', r"wanted no attribute"),
    "a change of the module": (CLASS + FORWARD + "    self.x = x\n    return x\n", r'attribute "x", which the class'),
    "a nested function": (CLASS + FORWARD + "    def f():\n      return x\n    return x\n", r"has no such statement"),
    "parentheses": (
        CLASS + FORWARD + "    return " + "(" * 100_000 + "x" + ")" * 100_000 + "\n",
        r"an expression more than 64 deep",
    ),
    "signs": (CLASS + FORWARD + "    return torch.add(x, " + "-" * 100_000 + "1)\n", r"wanted a number"),
    "a sum": (CLASS + FORWARD + "    return " + "x + " * 100_000 + "x\n", r'found "\+ x'),
    "indices": (CLASS + FORWARD + "    return x" + "[0]" * 100_000 + "\n", r"more than 64 indices"),
    "attributes": (CLASS + FORWARD + "    return x" + ".T" * 100_000 + "\n", r"wanted no attribute"),
    "blocks": (
        CLASS + FORWARD + "".join("  " * (i + 2) + "if bool(x):\n" for i in range(2000)),
        r"blocks more than 200 deep",
    ),
    "types": (CLASS + "  a : " + "List[" * 100_000 + "int" + "]" * 100_000 + "\n", r"at most 32 types inside"),
    "a text that grows": (
        CLASS
        + FORWARD
        + '    s0 = torch.add("ab", "cd")\n'
        + "".join(f"    s{i + 1} = torch.add(s{i}, s{i})\n" for i in range(60))
        + "    return x\n",
        r"more than 2\^20",
    ),
    "a tuple that grows": (
        CLASS
        + FORWARD
        + "    t0 = (1, 2)\n"
        + "".join(f"    t{i + 1} = (t{i}, t{i})\n" for i in range(60))
        + "    return x\n",
        r"more than 2\^20",
    ),
    "padding": (
        CLASS + FORWARD + '    s = torch.ljust("a", 100000000000)\n    return x\n',
        r"aten::ljust, .* without bounds",
    ),
    "an endless number": (
        CLASS + FORWARD + "    n = torch.factorial(9000000000000000000)\n    return x\n",
        r"aten::factorial, .* without bounds",
    ),
}


@pytest.mark.parametrize("case", CODE)
def test_code_beside_forward_is_refused_and_not_run(case: str, plan: bytes, tmp_path: Path) -> None:
    source, wanted = CODE[case]
    written = tmp_path / "written"
    crafted = plan_files.with_source(plan, source.replace("PATH", str(written)))
    message = refusal(crafted)
    assert re.search(wanted, message), message
    assert list(tmp_path.iterdir()) == []


def pickled(*parts: bytes) -> bytes:
    return b"\x80\x02" + b"".join(parts) + b"."


def text(value: str) -> bytes:
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def storage(dtype: str, key: str, count: int, device: str = "cpu") -> bytes:
    number = b"J" + count.to_bytes(4, "little", signed=True)
    return b"(" + text("storage") + f"ctorch\n{dtype}Storage\n".encode() + text(key) + text(device) + number + b"tQ"


def tensor(memory: bytes, offset: int, sizes: list[int], strides: list[int]) -> bytes:
    def numbers(values: list[int]) -> bytes:
        return b"(" + b"".join(b"\x8a\x08" + v.to_bytes(8, "little", signed=True) for v in values) + b"t"

    head = b"ctorch._utils\n_rebuild_tensor_v2\n(" + memory + b"\x8a\x08" + offset.to_bytes(8, "little", signed=True)
    return head + numbers(sizes) + numbers(strides) + b"\x89ccollections\nOrderedDict\n)RtR"


WHOLE = storage("Float", "0", 6)
CONSTANTS: dict[str, tuple[bytes, str]] = {
    "memory that is larger than its record": (
        pickled(tensor(storage("Float", "0", 6000), 0, [2, 3], [3, 1]), b"\x85"),
        r"memory of 24000 bytes; its record 0 has 24",
    ),
    "memory that is not there": (
        pickled(tensor(storage("Float", "7", 6), 0, [2, 3], [3, 1]), b"\x85"),
        r"there is none",
    ),
    "extents beyond the memory": (pickled(tensor(WHOLE, 0, [2000, 3], [3, 1]), b"\x85"), r"reaches beyond its memory"),
    "strides beyond the memory": (pickled(tensor(WHOLE, 0, [2, 3], [1 << 62, 1]), b"\x85"), r"reaches beyond"),
    "an offset beyond the memory": (pickled(tensor(WHOLE, 5, [2, 3], [3, 1]), b"\x85"), r"reaches beyond"),
    "an offset before the memory": (pickled(tensor(WHOLE, -1, [2, 3], [3, 1]), b"\x85"), r"reaches beyond"),
    "extents that overflow": (pickled(tensor(WHOLE, 0, [1 << 62, 1 << 62, 0], [0, 0, 0]), b"\x85"), r"reaches beyond"),
    "a negative extent": (pickled(tensor(WHOLE, 0, [-2, 3], [3, 1]), b"\x85"), r"extent or stride -2"),
    "another device": (
        pickled(tensor(storage("Float", "0", 6, "cuda:0"), 0, [2, 3], [3, 1]), b"\x85"),
        r'tensor on "cuda:0"; wanted "cpu"',
    ),
    "an engine": (
        pickled(b"c__torch__.torch.classes.tensorrt\nEngine\n)\x81", b"}b\x85"),
        r"__torch__.torch.classes.tensorrt.Engine",
    ),
    "an object of the module": (pickled(b"c__torch__\nReferenceNetwork\n)\x81}b\x85"), r"__torch__.ReferenceNetwork"),
    "a function of Python": (pickled(b"cos\nsystem\n", text("id"), b"\x85R\x85"), r'"os.system"'),
    "values inside one another": (pickled(b"(" * 100_000, b"t" * 100_000), r"deeper than 64"),
    "a list that holds itself": (pickled(b"]q\x00(h\x00e\x85"), r"holds itself"),
    "values that repeat": (
        pickled(b")q\x00", *[b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(60)]),
        r"repeats|deeper",
    ),
    "a memo out of turn": (pickled(b"]r\xff\xff\xff\x7f\x85"), r"number 2147483647, out of turn"),
    "a dict with a tuple as key": (pickled(b"}()Nu\x85"), r"a tuple as a key"),
    "a type that nests": (
        pickled(
            b"ctorch.jit._pickle\nrestore_type_tag\n(]", text("List[" * 100_000 + "int" + "]" * 100_000), b"tR\x85"
        ),
        r"at most 32 types",
    ),
    "a list of another type": (
        pickled(b"ctorch.jit._pickle\nrestore_type_tag\n(](K\x01e", text("List[Tensor]"), b"tR\x85"),
        r"a list as a value, whose type is List",
    ),
    "too few constants": (pickled(b")"), r"forward uses 1 constants; constants.pkl has 0"),
    "an end that is missing": (b"\x80\x02)", r"is cut off"),
    "an empty stack": (pickled(), r"leaves other values"),
}


@pytest.mark.parametrize("case", CONSTANTS)
def test_values_that_torch_does_not_write_are_refused(case: str, plan: bytes) -> None:
    data, wanted = CONSTANTS[case]
    message = refusal(plan_files.changed(plan, {"constants.pkl": data}))
    assert re.search(wanted, message), message


def test_members_that_no_plan_has_are_refused(plan: bytes) -> None:
    head, _ = plan_files.split(plan)
    whole = list(plan_files.members(plan).items())
    source = dict(whole)["code/__torch__.py"]
    for contents, wanted in (
        ([*whole, ("extra/a.txt", b"1")], 'member "extra/a.txt", which no plan'),
        ([*whole, ("code/__torch__.py", source)], '"code/__torch__.py" twice'),
        ([*whole, ("CODE/__TORCH__.PY", source)], 'member "CODE/__TORCH__.PY"'),
        ([*whole, ("attributes.pkl", b"1")], 'member "attributes.pkl"'),
        ([one for one in whole if one[0] != "constants.pkl"], 'no member "constants.pkl"'),
        ([*(one for one in whole if one[0] != "byteorder"), ("byteorder", b"big")], 'byte order "big"'),
        ([*whole, ("code/__torch__/more.py", b"class A(Module):\n")], 'class "__torch__.more.A"'),
    ):
        message = refusal(plan_files.joined(head, plan_files.packed(contents)))
        assert wanted in message, message


def test_a_second_folder_is_refused(plan: bytes) -> None:
    head, _ = plan_files.split(plan)
    twice = [("archive/" + name, data) for name, data in plan_files.members(plan).items()]
    contents = [*twice, *(("other/" + name.removeprefix("archive/"), data) for name, data in twice)]
    refusal(plan_files.joined(head, plan_files.packed(contents, folder="")))


@pytest.mark.parametrize("name", ["code/__torch__.py", "version", ".data/serialization_id", "constants/0"])
def test_members_that_are_large_when_they_are_unpacked_are_refused(name: str, plan: bytes) -> None:
    head, _ = plan_files.split(plan)
    contents = {**plan_files.members(plan), name: b" " * (64 << 20)}
    archive = plan_files.packed(contents.items(), compress=[name])
    assert "8 times the archive" in refusal(plan_files.joined(head, archive))


class Reads(torch.nn.Module):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.from_file(self.path, False, 6).view(2, 3)


class Saves(Reads):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, self.path)
        return x + 1


class Seeds(Reads):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(1)
        return x + 1


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [(Reads, "aten::from_file, which reads"), (Saves, "aten::save, which reads"), (Seeds, "aten::manual_seed, which")],
)
def test_the_builder_refuses_what_reaches_outside(kind: type[Reads], wanted: str, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(bytes(24))
    with pytest.raises(nacelle.InputError, match=wanted):
        plan_of(kind(str(path)))
    assert path.read_bytes() == bytes(24)


class Pair(NamedTuple):
    first: torch.Tensor
    second: torch.Tensor


class Named(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> Pair:
        return Pair(x, x + 1)


class Sparse(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.eye(3).to_sparse()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sparse.mm(self.weight, x.t())


class Quantized(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = torch.quantize_per_tensor(torch.ones(2, 3), 0.5, 0, torch.qint8)
        zeros = torch.zeros(2, dtype=torch.long)
        self.other = torch.quantize_per_channel(torch.ones(2, 3), torch.ones(2), zeros, 0, torch.qint8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.one.dequantize() + self.other.dequantize()


class Plain(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.turned = torch.arange(6.0).view(3, 2).t()
        self.complex = torch.full((2, 3), 1 + 2j)
        self.narrow = torch.ones(2, 3, dtype=torch.half)

    def forward(self, x: torch.Tensor, limit: float = 3.5e-7) -> tuple[torch.Tensor, torch.Tensor]:
        if float(x.sum()) < -limit:
            raise ValueError(f'negative: {x.size(0)} rows, ü "quoted"\n')
        for i in range(int(x.size(0))):
            x = x + self.turned * (-1.5 + i)
        y = torch.tensor([[1, -2], [3, 4]]).sum() * float("-inf")
        return x + (self.complex * (2 - 3j)).real, y + self.narrow.sum()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [Named, Sparse, Quantized, Plain])
def test_what_the_builder_writes_is_read(kind: Callable[[], torch.nn.Module]) -> None:
    module = kind()
    x = torch.ones(2, 3)
    wanted = module(x)
    program = nacelle.embed(plan_of(module))
    found = program(x)
    several = isinstance(wanted, tuple)
    for one, other in zip(found if several else [found], wanted if several else [wanted], strict=True):
        assert torch.equal(one, other)


def test_indices_of_a_sparse_tensor_are_checked() -> None:
    plan = plan_of(Sparse())
    names = [name for name, data in plan_files.members(plan).items() if name.startswith("data/") and len(data) == 48]
    message = refusal(plan_files.changed(plan, {names[0]: (1 << 40).to_bytes(8, "little") * 6}))
    assert "size" in message


def test_commands_run_nothing_of_a_plan(plan: bytes, tmp_path: Path) -> None:
    written = tmp_path / "written"
    crafted = plan_files.with_source(plan, CODE["setstate"][0].replace("PATH", str(written)))
    (tmp_path / "hostile.plan").write_bytes(crafted)
    for arguments in (
        ["embed", "hostile.plan", "-o", "hostile.ts", "--inputs", "input_0", "--outputs", "output_0"],
        ["doctor", "hostile.ts"],
    ):
        ended = subprocess.run(
            [sys.executable, "-m", "torch_nacelle", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        assert not written.exists(), arguments
        if arguments[0] == "doctor":
            assert "__setstate__" in ended.stdout + ended.stderr, ended.stdout + ended.stderr


def test_a_program_with_an_engine_inside_a_plan_is_refused(plan: bytes) -> None:
    inner = io.BytesIO()
    torch.jit.save(nacelle.embed(plan), inner)
    head, _ = plan_files.split(plan)
    assert 'class "__torch__.engine_trt"' in refusal(plan_files.joined(head, inner.getvalue()))
