"""The laws that are recovered from engines are the expressions that torch.export finds in the same models."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import sympy
import torch
from torch.nn import functional

import torch_nacelle as nacelle
from torch_nacelle._export import engine_laws
from torch_nacelle._export.engine_laws import laws_of
from torch_nacelle._export.shape_laws import EngineLaws, Law, Unknown

Shape = tuple[int, ...]
Shapes = Sequence[tuple[Shape, Shape, Shape]]  # for each input its smallest, best and largest shape

IMAGES = ((1, 3, 32, 32), (2, 3, 48, 64), (4, 3, 96, 128))


class Strided(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(3, 4, 7, stride=2, padding=3)
        self.second = torch.nn.Conv2d(4, 4, 3, stride=2)
        self.third = torch.nn.Conv2d(4, 2, 3, stride=3, padding=1, dilation=2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.second(self.first(x))
        return x, self.third(x)


class CeilPooling(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = functional.max_pool2d(x, 3, 2, ceil_mode=True)
        return x, functional.max_pool2d(x, 2, 2, ceil_mode=True)


class Upsampling(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = functional.interpolate(functional.max_pool2d(x, 2), scale_factor=2.0, mode="nearest")
        return x, functional.pad(x, [1, 2, 3, 4])


class Flatten(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = torch.nn.Conv2d(3, 4, 8, stride=8)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.patches(x)
        return x.flatten(2).transpose(1, 2), x.flatten()


class Concatenation(torch.nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.cat([x, y, x[:, :3]], 1), x


class Attention(torch.nn.Module):
    def forward(self, x: torch.Tensor, past: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        keys = torch.cat([past, x], 1)
        scores = torch.softmax(torch.matmul(x, keys.transpose(1, 2)), 2)
        return scores, torch.matmul(scores, keys)


class Heads(torch.nn.Module):
    """Heads of a detector that look at three levels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 4, 3, stride=4, padding=1)
        self.down = torch.nn.ModuleList([torch.nn.Conv2d(4, 4, 3, stride=2, padding=1) for _ in range(2)])
        self.boxes = torch.nn.ModuleList([torch.nn.Conv2d(4, 4 * anchors, 1) for anchors in (4, 6, 3)])

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.stem(x)
        levels = [x]
        for down in self.down:
            x = down(x)
            levels.append(x)
        boxes = []
        for i, head in enumerate(self.boxes):
            boxes.append(head(levels[i]).permute(0, 2, 3, 1).flatten(1).unflatten(1, [-1, 4]))
        return torch.cat(boxes, 1), x


class NonZero(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return (x > 0).nonzero(), x + 1


NETWORKS: dict[str, tuple[Callable[[], torch.nn.Module], Shapes]] = {
    "strided convolutions": (Strided, [IMAGES]),
    "pooling with ceil": (CeilPooling, [IMAGES]),
    "upsampling": (Upsampling, [IMAGES]),
    "flatten": (Flatten, [IMAGES]),
    "concatenation": (Concatenation, [((2, 4), (3, 10), (8, 300)), ((2, 5), (3, 20), (8, 500))]),
    "attention": (Attention, [((2, 2, 4), (3, 8, 4), (4, 64, 4)), ((2, 2, 4), (3, 16, 4), (4, 200, 4))]),
    "heads of a detector": (Heads, [IMAGES]),
    "nonzero": (NonZero, [((1, 2), (4, 5), (9, 40))]),
}


def engine_of(model: torch.nn.Module, shapes: Shapes) -> torch.ScriptObject:
    inputs = [nacelle.Input(min=low, opt=opt, max=high) for low, opt, high in shapes]
    engine: torch.ScriptObject = nacelle.compile(model.eval(), inputs, backend="reference", name="net").net_trt_engine
    return engine


def exported_sizes(model: torch.nn.Module, shapes: Shapes) -> tuple[list[list[Any]], list[list[Any]]]:
    """Returns the sizes of inputs and outputs in torch.export's own graph: ints and torch.SymInts."""
    dynamic = tuple({i: torch.export.Dim.AUTO for i in range(len(low)) if low[i] < high[i]} for low, _, high in shapes)
    example = tuple(torch.ones(opt) for _, opt, _ in shapes)
    exported = torch.export.export(model.eval(), example, dynamic_shapes=dynamic, strict=False)
    values = {node.name: node.meta.get("val") for node in exported.graph.nodes}
    signature = exported.graph_signature
    inputs = [list(values[name].shape) for name in signature.user_inputs]
    return inputs, [list(values[name].shape) for name in signature.user_outputs]


def value(size: Any, symbols: dict[Any, sympy.Integer]) -> Any:
    """Returns the value of torch's expression; None if it has symbols without one."""
    if not isinstance(size, torch.SymInt):
        return size
    result = size.node.expr.xreplace(symbols)
    return int(result) if result.is_number else None


@pytest.mark.parametrize("name", NETWORKS)
def test_laws_are_those_of_torch_export(name: str) -> None:
    make, shapes = NETWORKS[name]
    model = make()
    laws = laws_of(engine_of(model, shapes))
    inputs, outputs = exported_sizes(model, shapes)
    assert [len(output) for output in laws.outputs] == [len(output) for output in outputs]
    applied = laws.output_sizes(inputs)  # the laws take torch's own symbols
    chance = random.Random(0)
    for turn in range(200):
        symbols: dict[Any, sympy.Integer] = {}
        for sizes, (low, _, high) in zip(inputs, shapes, strict=True):
            for size, a, b in zip(sizes, low, high, strict=True):
                if isinstance(size, torch.SymInt):
                    number = {0: a, 1: b}.get(turn, chance.randint(a, b))
                    symbols.setdefault(size.node.expr, sympy.Integer(number))
        for ours, theirs in zip(applied, outputs, strict=True):
            for mine, its in zip(ours, theirs, strict=True):
                expected = value(its, symbols)
                if expected is None:
                    assert mine == Unknown("depends on values")
                else:
                    assert value(mine, symbols) == expected
    assert any(isinstance(size, torch.SymInt) for output in outputs for size in output)


def test_what_no_law_explains() -> None:
    class Lawless(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            return x[:100], x.flatten()[: x.numel() // 7], x.transpose(0, 1)

    laws = laws_of(engine_of(Lawless(), [((7, 20), (50, 60), (400, 300))]))
    assert laws.text(["x"], ["a", "b", "c"]) == "a: [? 0 (no law), x.1]\nb: [? 0 (no law)]\nc: [x.1, x.0]"


def test_sizes_that_follow_from_the_values_of_an_input() -> None:
    class Repeated(torch.nn.Module):
        def forward(self, x: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
            return x.unsqueeze(1).expand(x.shape[0], int(count[0]), 3) + 0

    inputs = [
        nacelle.Input(min=(1, 3), opt=(2, 3), max=(8, 3)),
        nacelle.Input(shape=(1,), dtype=torch.int64, min_values=(1,), opt_values=(3,), max_values=(12,)),
    ]
    engine = nacelle.compile(torch.jit.script(Repeated()), inputs, backend="reference", name="net").net_trt_engine
    ((_, repeated, last),) = laws_of(engine).outputs
    assert isinstance(repeated, Unknown) and repeated.reason == "depends on values"
    assert isinstance(last, Law) and last.at(lambda _: 0) == 3
    for count in (1, 5, 12):
        (y,) = torch.ops.tensorrt.execute_engine([torch.ones(2, 3), torch.tensor([count])], engine)
        assert y.shape == (2, count, 3)


def test_inputs_of_one_batch_size() -> None:
    class Product(torch.nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return torch.bmm(x, y)

    shapes = [((2, 3, 4), (4, 10, 4), (64, 99, 4)), ((2, 4, 5), (4, 4, 5), (64, 4, 5))]
    assert laws_of(engine_of(Product(), shapes)).text(["x", "y"], ["z"]) == "z: [x.0, x.1, 5]"


def test_sizes_that_must_be_multiples() -> None:
    class Skip(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            low = functional.interpolate(functional.max_pool2d(x, 8), scale_factor=8.0)
            return torch.cat([x, low], 1)[:, :, ::4, ::16]

    laws = laws_of(engine_of(Skip(), [((1, 1, 16, 16), (1, 1, 64, 64), (2, 1, 256, 256))]))
    assert laws.text(["x"], ["y"]) == "y: [x.0, 2, x.2 // 4, (x.3 + 8) // 16]"


def test_several_optimization_profiles() -> None:
    low, opt, high = ([(1, 3, size, size) for size in sizes] for sizes in ((40, 224), (60, 224), (100, 256)))
    model = Strided().eval()
    program = nacelle.compile(model, [nacelle.Input(min=low, opt=opt, max=high)], backend="reference", name="net")
    for size in (40, 77, 100, 224, 256):
        shape = (1, 3, size, size)
        with torch.inference_mode():
            expected = [list(one.shape) for one in model(torch.ones(shape))]
        assert laws_of(program.net_trt_engine).output_sizes([shape]) == expected


def test_a_plan_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of(Flatten(), [IMAGES])
    asked = []
    ask = engine_laws._Recovery.run

    def count(self: Any) -> EngineLaws:
        asked.append(self)
        return ask(self)

    monkeypatch.setattr(engine_laws._Recovery, "run", count)
    found: list[EngineLaws] = []
    threads = [threading.Thread(target=lambda: found.append(laws_of(engine))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 1
    assert len(found) == 4
    assert all(one is found[0] for one in found)
    assert EngineLaws.load(found[0].dump()) == found[0]
    assert all(isinstance(size, Law) for output in found[0].outputs for size in output)


# In TensorRT 8.5 an optimization profile belongs to one context, and the engine has one when it has run.
AFTER_A_CALL = """
import torch
import torch_nacelle as nacelle
from torch_nacelle._export.engine_laws import laws_of
program = nacelle.compile(
    torch.nn.Flatten(0), [nacelle.Input(min=(1, 3), opt=(2, 3), max=(64, 3))], backend="reference", name="net"
)
program(torch.ones(4, 3))
print(laws_of(program.net_trt_engine).text(["x"], ["y"]))
with torch._subclasses.FakeTensorMode() as mode:
    print(list(program(mode.from_tensor(torch.ones(5, 3))).shape))
"""


def test_an_engine_of_tensorrt_8_5_is_asked_after_it_ran() -> None:
    environment = os.environ | {"NACELLE_REFERENCE_RELEASE": "8.5.3.1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", AFTER_A_CALL]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "y: [3 * x.0]\n[15]\n", done.stderr


def test_wrong_inputs_are_refused() -> None:
    engine = engine_of(Flatten(), [IMAGES])
    with pytest.raises(nacelle.InputError, match=r"the inputs have the ranks \[4, 1\]; wanted \[4\]"):
        laws_of(engine).output_sizes([(1, 3, 64, 64), (1,)])
