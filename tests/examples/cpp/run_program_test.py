"""The C++ program, over programs that Python made."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import torch_nacelle as nacelle
from tests.examples.program import Run, run

RUN_PROGRAM = "examples/cpp/run_program"


class Halves(nn.Module):
    """Two inputs, two outputs."""

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return (x + y) / 2, (x - y) / 2


class Around(nn.Module):
    """An engine with TorchScript around it."""

    def __init__(self) -> None:
        super().__init__()
        self.middle = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor], int]:
        y = self.middle(x.flip(0))
        return y, [y.argmax(dim=1), y > 0], x.size(0)


@pytest.fixture
def halves(tmp_path: Path) -> Path:
    inputs = [nacelle.Input(min=(1, 4), opt=(2, 4), max=(6, 4), name=name) for name in ("x", "y")]
    program = nacelle.compile(Halves(), inputs)
    path = tmp_path / "halves.ts"
    program.save(str(path))
    return path


def load(path: Path) -> torch.jit.ScriptModule:
    program: torch.jit.ScriptModule = torch.jit.load(str(path))
    return program


def succeeded(ended: Run) -> Run:
    assert ended.status == 0, ended.errors
    return ended


def test_gives_what_python_gives(tmp_path: Path, halves: Path) -> None:
    x, y = torch.randn(3, 4), torch.randn(3, 4)
    torch.save(x, tmp_path / "x.pt")
    torch.save(y, tmp_path / "y.pt")
    inputs = ["--input", "1=y.pt", "--input", "0=x.pt"]
    ended = succeeded(run(RUN_PROGRAM, str(halves), *inputs, "--output", "out.pt", folder=tmp_path))
    outputs = torch.load(tmp_path / "out.pt", weights_only=True)
    for mine, wanted in zip(outputs, load(halves)(x, y), strict=True):
        assert torch.equal(mine, wanted)
    assert "1 engine\n" in ended.output
    assert "output[0]: float32 [3, 4] cpu: " in ended.output
    first = [
        float(number) for number in ended.output.split("output[1]: float32 [3, 4] cpu: ")[1].split(" …")[0].split()
    ]
    torch.testing.assert_close(torch.tensor(first), ((x - y) / 2).flatten()[:8], atol=1e-5, rtol=1e-5)


def test_a_hybrid_program(tmp_path: Path) -> None:
    torch.manual_seed(0)
    program = nacelle.compile(Around(), {"middle": [nacelle.Input(min=(1, 4), opt=(2, 4), max=(6, 4))]})
    program.save(str(tmp_path / "around.ts"))
    x = torch.randn(2, 4)
    torch.save(x, tmp_path / "x.pt")
    arguments = ["around.ts", "--input=x.pt", "--output=out.pt"]
    ended = succeeded(run(RUN_PROGRAM, *arguments, folder=tmp_path))
    y, (best, positive), count = torch.load(tmp_path / "out.pt", weights_only=True)
    wanted_y, (wanted_best, wanted_positive), _ = program(x)
    assert torch.equal(y, wanted_y) and torch.equal(best, wanted_best) and torch.equal(positive, wanted_positive)
    assert count == 2
    assert "middle.middle_trt_engine" in ended.output
    assert "output[1][0]: int64 [2] cpu: " in ended.output
    assert "output[1][1]: bool [2, 3] cpu: " in ended.output
    assert "output[2]: 2\n" in ended.output


def test_without_inputs_the_engine_gets_what_it_was_built_for(tmp_path: Path, halves: Path) -> None:
    first = succeeded(run(RUN_PROGRAM, str(halves), folder=tmp_path))
    assert "input 0: float32 [2, 4] cpu: " in first.output
    assert "output[1]: float32 [2, 4] cpu: " in first.output
    assert run(RUN_PROGRAM, str(halves), folder=tmp_path).output == first.output
    assert run(RUN_PROGRAM, str(halves), "--seed", "1", folder=tmp_path).output != first.output


def test_described_inputs(tmp_path: Path, halves: Path) -> None:
    inputs = ["--input", "float32:5x4:ones", "--input", "float32:5x4:zeros"]
    ended = succeeded(run(RUN_PROGRAM, str(halves), *inputs, folder=tmp_path))
    assert "output[0]: float32 [5, 4] cpu: 0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5 …\n" in ended.output


@pytest.mark.parametrize(
    ("arguments", "status", "messages"),
    [
        ([], 2, ["no program is named", "--help"]),
        (["none.ts"], 1, ["cannot open the program none.ts"]),
        (["broken.ts"], 1, ["run_program: "]),
        (["halves.ts", "--input"], 2, ["--input wants a value"]),
        (["halves.ts", "--inputs", "x"], 2, ["there is no option --inputs"]),
        (["halves.ts", "--input", "float:2x4"], 2, ["'float' is no dtype", "float32"]),
        (["halves.ts", "--input", "float32:2x4"], 2, ["input 1 (counted from 0)", "is missing"]),
        (["halves.ts", "--input", "2=float32:2x4"], 2, ["input 2 is given", "takes 2"]),
        (["halves.ts", "--input", "none.pt", "--input", "none.pt"], 1, ["cannot read the input none.pt"]),
        (["halves.ts", "--input", "float32:7x4", "--input", "float32:7x4"], 1, ["x", "7", "6"]),
        (["halves.ts", "--input", "int64:2x4", "--input", "float32:2x4"], 1, ["int64", "float32"]),
        (["halves.ts", "--device", "abacus"], 2, ["--device abacus"]),
        (["halves.ts", "--output", "no/folder/out.pt"], 1, ["cannot write no/folder/out.pt"]),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, halves: Path, arguments: list[str], status: int, messages: list[str]
) -> None:
    (tmp_path / "broken.ts").write_bytes(b"no program")
    ended = run(RUN_PROGRAM, *arguments, folder=tmp_path)
    assert ended.status == status
    for message in messages:
        assert message in ended.errors
    assert "frame #" not in ended.errors  # no stack of addresses


def test_help(tmp_path: Path) -> None:
    assert "Usage: run_program PROGRAM.ts" in succeeded(run(RUN_PROGRAM, "--help", folder=tmp_path)).output
