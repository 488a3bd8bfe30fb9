"""``nacelle run``."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import torch_nacelle as nacelle_package
from nacelle_cli.commands.run import flattened, statistics
from tests.py.cli.commands import nacelle
from tests.py.networks import TwoHeads, seeded

RANGE = nacelle_package.Input(min=(1, 3, 8, 8), opt=(4, 3, 8, 8), max=(8, 3, 8, 8))
X = torch.rand(2, 3, 8, 8)
UPSTREAM = os.environ.get("NACELLE_UPSTREAM_DATA")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("programs") / "program.ts"
    nacelle_package.compile(seeded(TwoHeads), [RANGE]).save(str(path))
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "x.npy"
    np.save(path, X.numpy())
    return path


def test_outputs_are_those_of_the_model(program: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.npz"
    outcome = nacelle("run", program, "--input", f"input_0={data}", "-o", out)
    assert (outcome.code, outcome.err) == (0, "")
    logits, boxes = (tensor.detach().numpy() for tensor in seeded(TwoHeads)(X))
    with np.load(out) as written:
        np.testing.assert_allclose(written["output_0"], logits, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(written["output_1"], boxes, rtol=1e-5, atol=1e-6)
    lines = outcome.out.splitlines()
    assert lines[0].split() == ["output", "dtype", "shape", "min", "mean", "max", "std"]
    figures = [f"{value:.6g}" for value in (logits.min(), logits.mean(dtype=float), logits.max())]
    assert lines[1].split()[:-1] == ["output_0", "float32", "[2,", "10]", *figures]
    assert lines[-1] == f"wrote {out}"


def test_into_a_folder(program: Path, data: Path, tmp_path: Path) -> None:
    outcome = nacelle("run", program, "-i", data, "-o", tmp_path / "outputs", "--json")
    assert {path.name for path in (tmp_path / "outputs").iterdir()} == {"output_0.npy", "output_1.npy"}
    assert np.load(tmp_path / "outputs" / "output_1.npy").shape == (2, 4)
    facts = outcome.json
    assert facts["device"] == "cpu"
    assert facts["inputs"] == {"input_0": {"dtype": "float32", "shape": [2, 3, 8, 8]}}
    assert facts["outputs"]["output_1"]["shape"] == [2, 4]
    assert facts["outputs"]["output_1"]["nan"] == 0
    assert facts["written"] == str(tmp_path / "outputs")


def test_without_inputs_they_are_made_up_and_the_same_each_time(program: Path) -> None:
    first, second, third = (nacelle("run", program, "--json", "--seed", seed).json for seed in ("0", "0", "1"))
    assert first["inputs"]["input_0"]["shape"] == [4, 3, 8, 8]
    assert first == second != third


class Varied(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"a/b": x.to(torch.bfloat16), "nothing": x[:0], "odd": x / torch.zeros(1)}


def test_outputs_that_numpy_lacks(tmp_path: Path) -> None:
    torch.jit.script(Varied()).save(str(tmp_path / "varied.ts"))
    np.save(tmp_path / "x.npy", np.array([0, 1, -1, 1], dtype=np.float32))
    outcome = nacelle("run", tmp_path / "varied.ts", "-i", tmp_path / "x.npy", "-o", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert "1 NaN, 3 infinite" in outcome.out
    assert "bfloat16" in outcome.out
    written = np.load(tmp_path / "out" / "output_a_b.npy")
    assert (written.dtype, written.tolist()) == (np.float32, [0, 1, -1, 1])
    assert np.load(tmp_path / "out" / "output_nothing.npy").shape == (0,)


class Asserts(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert bool((x > 0).all()), "wanted positive numbers"
        return x


def test_what_a_program_raises_is_told(tmp_path: Path) -> None:
    torch.jit.script(Asserts()).save(str(tmp_path / "asserts.ts"))
    outcome = nacelle("run", tmp_path / "asserts.ts", "-i", "zeros:[2]", "-o", tmp_path / "out.npy")
    assert (outcome.code, outcome.out) == (1, "")
    assert "asserts.ts failed: " in outcome.err
    assert "wanted positive numbers" in outcome.err
    assert not (tmp_path / "out.npy").exists()
    assert nacelle("run", tmp_path / "asserts.ts", "-i", "ones:[2]", "-o", tmp_path / "out.npy").code == 0
    assert np.load(tmp_path / "out.npy").tolist() == [1, 1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--input", "random:float32[9,3,8,8]"], 1, "input_0"),
        (["--input", "random:float64[1,3,8,8]"], 1, "dtype float64; wanted float32"),
        (["--input", "random:float32[1,3,8"], 2, "the bracket is not closed"),
        (["--input", "y=random"], 2, "forward has no argument y; it has: input_0"),
        (["--input", "none.npy"], 1, "there is no file none.npy"),
        (["--output", "out.png"], 2, "outputs are written as .npz, .npy or into a folder, found out.png"),
        (["--output", "{folder}/out.npy"], 1, "a .npy file holds one array, and there are 2 outputs"),
        (["--output", "{folder}/no/out.npz"], 1, "there is no folder"),
        (["--device", "gpu"], 2, "there is no device 'gpu'; give cpu, cuda or cuda:1"),
        (["--device", "cuda:99"], 1, "there is no device cuda:99 here"),
    ],
)
def test_bad_input(program: Path, arguments: list[str], code: int, words: str, tmp_path: Path) -> None:
    outcome = nacelle("run", program, *(argument.replace("{folder}", str(tmp_path)) for argument in arguments))
    assert (outcome.code, outcome.out) == (code, "")
    assert words in outcome.words
    assert list(tmp_path.iterdir()) == []


def test_without_numpy(program: Path, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    words = "the package numpy, which is not installed: pip install numpy"
    assert words in nacelle("run", program, "-o", tmp_path / "out.npz").words
    assert words in nacelle("run", program, "-i", data).words
    assert not (tmp_path / "out.npz").exists()


def test_files_that_are_no_programs(tmp_path: Path) -> None:
    (tmp_path / "text.ts").write_text("text")
    outcome = nacelle("run", tmp_path / "text.ts")
    assert outcome.code == 1
    assert "text.ts is no TorchScript program: it begins with 74 65 78 74" in outcome.words
    assert nacelle("run", tmp_path / "missing.ts").code == 1


@pytest.mark.skipif(
    not UPSTREAM, reason="programs that Torch-TensorRT saved: set NACELLE_UPSTREAM_DATA to their folder"
)
def test_an_engine_that_cannot_run_here_says_why(tmp_path: Path) -> None:
    source = Path(UPSTREAM or "", "abi9_trt11.0.0_rtx5090.ts")
    outcome = nacelle("run", source, "--input", "x=zeros:[1,3,224,224]", "-o", tmp_path / "out.npz")
    if outcome.code == 0:  # on a machine that has what it wants
        assert (tmp_path / "out.npz").exists()
        return
    assert "TensorRT 11.0.0.114" in outcome.words
    assert "NVIDIA GeForce RTX 5090" in outcome.words
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("result", "names"),
    [
        (1.5, ["output"]),
        ((1, 2), ["output_0", "output_1"]),
        ([1, {"a": 2, "b": (3, 4)}], ["output_0", "output_1.a", "output_1.b.0", "output_1.b.1"]),
        ({}, []),
    ],
)
def test_names_of_outputs(result: Any, names: list[str]) -> None:
    assert [name for name, _ in flattened(result)] == names


def test_statistics_of_finite_elements() -> None:
    fact = statistics(torch.tensor([1.0, 2.0, 3.0, float("nan"), float("-inf")]))
    assert {key: fact[key] for key in ("min", "mean", "max", "nan", "inf")} == {
        "min": 1, "mean": 2, "max": 3, "nan": 1, "inf": 1,
    }  # fmt: skip
    assert fact["std"] == pytest.approx((2 / 3) ** 0.5)
    assert statistics(torch.zeros(0))["min"] is None
    assert statistics(torch.tensor(True))["max"] == 1
    assert statistics("text") == {"type": "str", "value": "text"}
    assert json.dumps(statistics(torch.tensor([3 + 4j])))
    assert statistics(torch.tensor([3 + 4j]))["max"] == 5
