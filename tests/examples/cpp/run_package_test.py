"""The C++ program that runs AOTInductor packages, over a package that Python made."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import torch_nacelle as nacelle
from tests.examples.program import Run, run

RUN_PACKAGE = "examples/cpp/run_package"
BATCHED = nacelle.Input(min=(1, 4), opt=(2, 4), max=(6, 4))


class Around(nn.Module):
    """Two engines with PyTorch's operators around them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 3)
        self.second = nn.Linear(4, 3)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        z = self.first(x.flip(0)) + 1
        return z * self.second(y), z > 0


def around() -> nn.Module:
    torch.manual_seed(0)
    return Around().eval()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    module = nacelle.compile(around(), {"first": [BATCHED], "second": [BATCHED]}, container="module")
    batch = torch.export.Dim("batch", min=1, max=6)
    examples = (torch.ones(2, 4), torch.zeros(2, 4))  # two tensors: torch takes one that is given twice for one input
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(folder / "inductor"))
        program = torch.export.export(module, examples, dynamic_shapes=({0: batch}, {0: batch}), strict=False)
        torch.export.save(program, folder / "exported.pt2")
        torch._inductor.aoti_compile_and_package(program, package_path=str(folder / "package.pt2"))
    return folder


@pytest.fixture
def folder(package: Path, tmp_path: Path) -> Path:
    for name in ("package.pt2", "exported.pt2"):
        shutil.copy(package / name, tmp_path)
    (tmp_path / "broken.pt2").write_bytes(b"no package")
    return tmp_path


def succeeded(ended: Run) -> Run:
    assert ended.status == 0, ended.errors
    return ended


def test_gives_what_eager_mode_gives(folder: Path) -> None:
    x, y = torch.randn(3, 4), torch.randn(3, 4)
    torch.save(x, folder / "x.pt")
    torch.save(y, folder / "y.pt")
    inputs = ["--input", "1=y.pt", "--input", "0=x.pt"]
    ended = succeeded(run(RUN_PACKAGE, "package.pt2", *inputs, "--output", "out.pt", folder=folder))
    with torch.no_grad():
        wanted = around()(x, y)
    outputs = torch.load(folder / "out.pt", weights_only=True)
    assert isinstance(outputs, tuple)
    torch.testing.assert_close(outputs, wanted)
    assert "output[0]: float32 [3, 3] cpu: " in ended.output
    assert "output[1]: bool [3, 3] cpu: " in ended.output
    if torch.__version__ >= "2.13":
        assert '2 engines\n_torchbind_obj0:\nEngine "first"' in ended.output
        assert '\n_torchbind_obj1:\nEngine "second"' in ended.output


def test_described_inputs(folder: Path) -> None:
    inputs = ["--input", "float32:5x4:ones", "--input", "float32:5x4:zeros", "--device", "cpu"]
    ended = succeeded(run(RUN_PACKAGE, "package.pt2", *inputs, folder=folder))
    assert "input 1: float32 [5, 4] cpu: 0 0 0 0 0 0 0 0 …\n" in ended.output


@pytest.mark.parametrize(
    ("arguments", "status", "messages"),
    [
        ([], 2, ["no program is named", "--help"]),
        (["none.pt2"], 1, ["cannot open the package none.pt2"]),
        (["broken.pt2"], 1, ["run_package: ", "zip archive"]),
        (["exported.pt2"], 1, ["run_package: ", "Failed to find a generated cpp file or so file"]),
        (["package.pt2", "--input", "float32:2x4"], 1, ["inputs vector size to be 2, but got 1"]),
        (["package.pt2", "--input", "1=float32:2x4"], 2, ["input 1 is given"]),
        (["package.pt2", "--input", "float32:7x4", "--input", "float32:7x4"], 1, ["<= 6", "got: 7"]),
        (["package.pt2", "--input", "float64:2x4", "--input", "float32:2x4"], 1, ["unmatched dtype", "kFloat"]),
        (["package.pt2", "--input", "int64:2x4", "--input", "float32:2x4"], 1, ["unmatched dtype", "kFloat"]),
        (["package.pt2", "--device", "meta"], 2, ["--device meta: the package was compiled for cpu"]),
    ],
)
def test_what_cannot_be_used_is_named(folder: Path, arguments: list[str], status: int, messages: list[str]) -> None:
    ended = run(RUN_PACKAGE, *arguments, folder=folder)
    assert ended.status == status, ended.errors
    for message in messages:
        assert message in ended.errors
    assert "frame #" not in ended.errors  # no stack of addresses


def test_help(tmp_path: Path) -> None:
    assert "Usage: run_package PACKAGE.pt2" in succeeded(run(RUN_PACKAGE, "--help", folder=tmp_path)).output
