"""State and hooks: an engine keeps nothing from call to call, and computes what the module computes."""

# torch.jit compiles hooks whose first parameter has no annotation, and reads comments on their first line as types.
# mypy: disable-error-code="no-untyped-def"

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn

import torch_nacelle as nacelle
from tests.py.owners import (
    KeepsStatistics,
    Owner,
    WritesThroughAView,
    WritesToAnElementOfAList,
    WritesToAnEntryOfADict,
    WritesToAParameter,
    WritesToSeveral,
)
from torch_nacelle import Input
from torch_nacelle._build.engine import Method
from torch_nacelle._build.onnx import export

X = torch.rand(2, 3)


class AddsToABuffer(Owner):
    def forward(self, x: Tensor) -> Tensor:
        self.n.add_(1)
        return x + self.n


class Copies(Owner):
    def forward(self, x: Tensor) -> Tensor:
        self.n.copy_(x[0])
        return x + self.n


class SetsAnElement(Owner):
    def forward(self, x: Tensor) -> Tensor:
        self.n[0] = 1.0
        return x + self.n


class WritesOut(Owner):
    def forward(self, x: Tensor) -> Tensor:
        torch.add(x[0], self.n, out=self.n)
        return x + self.n


class Appends(Owner):
    def forward(self, x: Tensor) -> Tensor:
        self.tensors.append(x[0])
        return x + len(self.tensors)


class SetsANumber(Owner):
    def forward(self, x: Tensor) -> Tensor:
        self.numbers[0] += 1
        return x + self.numbers[0]


class Assigns(Owner):
    def forward(self, x: Tensor) -> Tensor:
        self.n = self.n + 1
        return x + self.n


class Counts(Owner):
    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        return x + self.count


class WritesInALoop(Owner):
    def forward(self, x: Tensor) -> Tensor:
        y = self.n
        for i in range(x.size(0)):
            y.add_(x[i])
        return x + y


class WritesToWhatItChose(Owner):
    def forward(self, x: Tensor) -> Tensor:
        y = self.n if bool(x.sum() > 0) else x[0].clone()
        y.add_(1)
        return x + y


class WritesToWhatAListHolds(Owner):
    def forward(self, x: Tensor) -> Tensor:
        inner = [x[0].clone()]
        outer = [inner]
        inner.append(self.n)
        outer[0][1].add_(1)
        return x + outer[0][1]


class WritesToAChunk(Owner):
    def forward(self, x: Tensor) -> Tensor:
        a, b = self.rows.chunk(2)
        a.add_(1)
        return x + b + self.rows[0]


class WritesToWhatDropoutReturned(Owner):
    """Writes to the result of dropout, which in eval mode is its input, although its schema does not say so."""

    def forward(self, x: Tensor) -> Tensor:
        y = F.dropout(self.n, 0.5, self.training)
        y.add_(1)
        return x + y


class Recurrent(nn.Module):
    """Keeps the hidden state of one caller for the next."""

    hidden: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(3, 4)
        self.register_buffer("hidden", torch.zeros(2, 4))

    def forward(self, x: Tensor) -> Tensor:
        self.hidden.copy_(self.cell(x, self.hidden))
        return self.hidden * 1


STATEFUL = [
    AddsToABuffer,
    Copies,
    SetsAnElement,
    WritesThroughAView,
    WritesOut,
    WritesToAParameter,
    WritesToAnElementOfAList,
    Appends,
    SetsANumber,
    WritesToAnEntryOfADict,
    Assigns,
    Counts,
    KeepsStatistics,
    WritesInALoop,
    WritesToWhatItChose,
    WritesToWhatAListHolds,
    WritesToAChunk,
    WritesToSeveral,
    WritesToWhatDropoutReturned,
    Recurrent,
]


@pytest.mark.parametrize("method", ["script", "trace", "auto"])
@pytest.mark.parametrize("kind", STATEFUL)
def test_state_is_refused(kind: type[nn.Module], method: Method) -> None:
    with pytest.raises(
        nacelle.InputError, match=r"forward changes .*; an engine keeps nothing .* pass the state in as"
    ):
        nacelle.compile(kind(), [X], method=method)


@pytest.mark.parametrize("kind", [AddsToABuffer, Counts, Recurrent, KeepsStatistics])
def test_state_is_refused_on_the_way_to_onnx(kind: type[nn.Module]) -> None:
    for method in ("trace", "auto"):
        with pytest.raises(nacelle.InputError, match="an engine keeps nothing from call to call"):
            export(kind(), [Input((2, 3), name="x")], opset=17, method=method)
    with pytest.raises(nacelle.InputError, match="an engine keeps nothing from call to call"):
        export(torch.jit.script(kind()), [Input((2, 3), name="x")], opset=17)


def test_state_of_an_exported_program_is_refused() -> None:
    program = torch.export.export(AddsToABuffer().eval(), (X,))
    with pytest.raises(nacelle.InputError, match='forward changes the attribute "n"; an engine keeps nothing'):
        nacelle.compile(program, [X])


def test_writes_to_several_tensors_are_refused() -> None:
    with pytest.raises(nacelle.InputError, match='forward changes the attribute "n"'):
        nacelle.compile(WritesToSeveral(), [X], method="trace")
    with pytest.raises(nacelle.InputError, match="forward changes the attribute"):
        nacelle.compile(torch.jit.trace(WritesToSeveral().eval(), X), [X])


def test_state_of_traced_and_frozen_modules_is_refused() -> None:
    module = AddsToABuffer().eval()
    for script in (torch.jit.trace(module, X), torch.jit.freeze(torch.jit.script(module))):
        with pytest.raises(nacelle.InputError, match="forward changes"):
            nacelle.compile(script, [X])


def test_the_path_of_the_attribute_is_told() -> None:
    module = nn.Sequential(nn.Identity(), AddsToABuffer())
    with pytest.raises(nacelle.InputError, match=r'forward changes the attribute "1\.n";'):
        nacelle.compile(module, [X], method="script")


class EvalBranch(Owner):
    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.count += 1
            self.n.add_(1)
        return self.norm(x) + self.n


class FreshTensors(Owner):
    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        y[0] = 5.0
        y[:, 1:].mul_(2)
        first, second = self.rows.chunk(2)
        q, k = (x * 2).repeat(1, 2).chunk(2, 1)
        q.mul_(3)
        held = [self.n]
        for i in range(x.size(0)):
            held.append(x[i] + self.n)
        held.append(self.weight)
        y += self.named["a"]
        copy = self.n.to(torch.float64)
        copy.add_(1)
        return y + q * first + k * second + torch.stack(held).sum(0) + copy.to(torch.float32)


class Functional(Owner):
    def forward(self, x: Tensor) -> Tensor:
        y = self.n.clone()
        y.add_(x[0])
        return F.relu_(F.linear(x, self.rows)).sum() + y


@pytest.mark.parametrize("method", ["script", "trace"])
@pytest.mark.parametrize("kind", [EvalBranch, FreshTensors, Functional])
def test_what_is_not_state_may_be_written_to(kind: type[nn.Module], method: Method) -> None:
    module = kind()
    program = nacelle.compile(module, [X], method=method)
    module.eval()
    for _ in range(2):
        torch.testing.assert_close(program(X), module(X))


class WritesToItsInput(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.view(-1).add_(1) * 2


class WritesToAConvertedInput(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.to(torch.float32).div_(255)


def test_a_write_to_an_input_is_refused() -> None:
    for method in ("script", "trace"):
        with pytest.raises(nacelle.InputError, match="in place; an engine only reads its inputs: let forward clone it"):
            nacelle.compile(WritesToItsInput(), [X], method=method)
        with pytest.raises(nacelle.InputError, match="in place; an engine only reads its inputs"):
            nacelle.compile(WritesToAConvertedInput(), [X], method=method)
        image = torch.arange(6, dtype=torch.uint8).reshape(2, 3)
        program = nacelle.compile(WritesToAConvertedInput(), [image], method=method)
        torch.testing.assert_close(program(image), image / 255)
    with pytest.raises(nacelle.InputError, match="in place; an engine only reads its inputs"):
        export(WritesToItsInput(), [Input((2, 3), name="x")], opset=17)


def test_programs_of_one_file_do_not_share_anything(tmp_path: Path) -> None:
    nacelle.compile(Functional(), [X]).save(str(tmp_path / "program.ts"))
    a, b = (torch.jit.load(str(tmp_path / "program.ts")) for _ in range(2))
    results = [program(X) for program in (a, a, b, a)]
    assert all(torch.equal(result, results[0]) for result in results)


class Plus(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 1


class Joined(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return x + y, x - y


def swapped_inputs(self, args: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return args[1], args[0]


def times_input(self, args: tuple[Tensor], result: Tensor) -> Tensor:
    return result * args[0]


def summed(self, args: tuple[Tensor, Tensor], result: tuple[Tensor, Tensor]) -> Tensor:
    return result[0] * 2 + result[1]


def only_looks(self, args: tuple[Tensor], result: Tensor) -> None:
    assert result.dim() == args[0].dim()


def pre_hooked() -> nn.Module:
    module = Plus()
    module.register_forward_pre_hook(typed_double)
    return module


def typed_double(self, args: tuple[Tensor]) -> Tensor:
    return args[0] * 2


def hooked() -> nn.Module:
    module = pre_hooked()
    module.register_forward_hook(times_input)
    module.register_forward_hook(only_looks)
    return module


def nested() -> nn.Module:
    return nn.Sequential(hooked(), pre_hooked())


@pytest.mark.parametrize("method", ["script", "trace", "auto"])
@pytest.mark.parametrize("make", [pre_hooked, hooked, nested])
def test_hooks_are_part_of_an_engine(make: Callable[[], nn.Module], method: Method) -> None:
    module = make()
    wanted = module(X)
    torch.testing.assert_close(nacelle.compile(module, [X], method=method)(X), wanted)
    script = torch.jit.script(module)
    torch.testing.assert_close(nacelle.compile(script, [X])(X), wanted)
    assert not torch.equal(wanted, X + 1)


def test_hooks_of_several_inputs_and_outputs() -> None:
    module = Joined()
    module.register_forward_pre_hook(swapped_inputs)
    module.register_forward_hook(summed)
    other = torch.rand(2, 3)
    for method in ("script", "trace"):
        torch.testing.assert_close(nacelle.compile(module, [X, other], method=method)(X, other), module(X, other))


def test_hooks_of_a_saved_module(tmp_path: Path) -> None:
    torch.jit.script(hooked()).save(str(tmp_path / "hooked.ts"))
    script = torch.jit.load(str(tmp_path / "hooked.ts"))
    torch.testing.assert_close(nacelle.compile(script, [X])(X), hooked()(X))


def test_hooks_of_what_becomes_an_engine_in_a_hybrid_program() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = hooked()

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x) - 1

    module = Outer()
    torch.testing.assert_close(nacelle.compile(module, {"inner": [X]})(X), module(X))


def test_hooks_that_do_not_script_are_followed_by_tracing() -> None:
    module = Plus()
    module.register_forward_hook(lambda module, args, result: result * 3)
    module.register_forward_pre_hook(lambda module, args, kwargs: ((args[0] * 2,), kwargs), with_kwargs=True)
    torch.testing.assert_close(nacelle.compile(module, [X])(X), module(X))


def test_hooks_for_all_modules_are_refused_where_they_would_be_dropped() -> None:
    handle = nn.modules.module.register_module_forward_hook(lambda module, args, result: result * 3)
    try:
        for model in (Plus(), torch.jit.script(Plus())):
            with pytest.raises(nacelle.InputError, match="hooks for all modules are registered"):
                nacelle.compile(model, [X])
        plan = nacelle.build_engine(Plus(), [X], method="trace")
    finally:
        handle.remove()
    torch.testing.assert_close(nacelle.embed(plan)(X), (X + 1) * 3)


def test_hooks_of_a_script_module_are_refused_on_the_way_to_onnx() -> None:
    with pytest.raises(nacelle.InputError, match="has forward hooks, which torch leaves out"):
        export(torch.jit.script(hooked()), [Input((2, 3), name="x")], opset=17)


_MANY_COMPILES = """
import ctypes, gc, sys, torch, torch_nacelle as nacelle
from torch import nn

class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(1024, 2048)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) + 1

x = torch.rand(2, 1024)
kind, count = sys.argv[1], int(sys.argv[2])
if kind == "onnx":
    from torch_nacelle._build.onnx import export
    source = export(Outer(), [nacelle.Input((2, 1024), name="x")], opset=17).model

def compile():
    if kind == "hybrid":
        nacelle.compile(Outer(), {"inner": [x]})
    elif kind == "exported":
        nacelle.compile(torch.export.export(Outer().eval(), (x,)), [x])
    elif kind == "onnx":
        nacelle.compile(source, [x])
    else:
        nacelle.compile(Outer(), [x], method=kind)

def resident():
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what was freed goes back to the system
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

for _ in range(5):
    compile()
before = resident()
for _ in range(count):
    compile()
print(resident() - before)
"""


@pytest.mark.parametrize("kind", ["script", "trace", "exported", "hybrid", "onnx"])
def test_compiles_do_not_keep_the_weights(kind: str, tmp_path: Path) -> None:
    """The weights are 8 MiB: 25 compiles that kept them would need 200."""
    program = tmp_path / "many_compiles.py"  # torch.jit reads a class's source
    program.write_text(_MANY_COMPILES)
    command = [sys.executable, str(program), kind, "25"]
    grown = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert grown < 64 * 2**20
