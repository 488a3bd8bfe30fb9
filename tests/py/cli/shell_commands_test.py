"""The commands that change, run and measure programs, one after the other in a shell, as a person would call them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import torch_nacelle as nacelle
from tests.py.cli.terminal import pipe, terminal
from tests.py.networks import TwoHeads, seeded

X = torch.rand(2, 3, 8, 8)

# From a model to two programs of other versions, checked, run and measured; every line has to succeed.
ALL = """
set -e
nacelle compile model.ts -o net.ts --input 'x=float32[1..8:4,3,8,8]' --backend reference --name net
nacelle extract net.ts net -o net.plan
nacelle embed net.plan -o embedded.ts --name net --abi 9 --device cpu
nacelle replace embedded.ts net net.plan -o replaced.ts
nacelle convert replaced.ts converted.ts --abi 10
nacelle strip converted.ts -o converted.ts
nacelle check converted.ts --against model.ts --json > check.json
nacelle run converted.ts --input x.npy --output outputs.npz --json | tee run.json > /dev/null
nacelle bench converted.ts --seconds 0.2 --threads 1,2 --json --plot bench.png > bench.json
"""

# Wrong usage is 2, no for an answer is 1; nothing is written, and facts are not mixed with messages.
BAD = """
nacelle extract net.ts neck -o neck.plan > out 2> err; echo $?
nacelle extract net.ts > out 2> err; echo $?
nacelle run net.ts --input 'x=float32[1' > out 2> err; echo $?
nacelle check net.ts --against other.ts > out 2> err; echo $?
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("shell")
    torch.jit.script(seeded(TwoHeads)).save(str(path / "model.ts"))
    with torch.random.fork_rng():
        torch.manual_seed(11)
        torch.jit.script(TwoHeads().eval()).save(str(path / "other.ts"))
    np.save(path / "x.npy", X.numpy())
    return path


@pytest.fixture(scope="module")
def printed(folder: Path) -> str:
    outcome = pipe(ALL, folder)
    assert outcome.code == 0, outcome.out + outcome.err
    return outcome.out


def test_every_command_did_its_part(folder: Path, printed: str) -> None:
    lines = printed.splitlines()
    assert lines[0].startswith("wrote net.ts: net_trt_engine, reference engine, plan format 1, ")
    assert lines[1].startswith("wrote net.plan: the plan of net_trt_engine, ")
    assert lines[2] == "wrote embedded.ts: net_trt_engine, reference engine, plan format 1, for the CPU, ABI version 9"
    assert lines[3].startswith("wrote replaced.ts: net_trt_engine has a plan of reference engine")
    assert lines[4:] == [
        "the same inputs and outputs: names, dtypes, ranks",
        "net_trt_engine: ABI version 9 -> 10",
        "wrote converted.ts",
        "wrote converted.ts; no engine had metadata",
    ]
    (engine,) = nacelle.read(folder / "converted.ts").engines
    assert (engine.abi_version, engine.plan) == (10, (folder / "net.plan").read_bytes())


def test_what_they_told_and_wrote(folder: Path, printed: str) -> None:
    assert json.loads((folder / "check.json").read_text())["passed"] is True
    facts = json.loads((folder / "run.json").read_text())
    assert facts["outputs"]["output_0"]["shape"] == [2, 10]
    with np.load(folder / "outputs.npz") as outputs:
        np.testing.assert_allclose(outputs["output_1"], seeded(TwoHeads)(X)[1].detach().numpy(), rtol=1e-4, atol=1e-6)
    measured = json.loads((folder / "bench.json").read_text())
    assert measured["parts_ms"]["engine"] > 0
    assert (folder / "bench.png").stat().st_size > 10_000
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_exit_codes_and_no_progress_in_a_pipe(folder: Path, printed: str) -> None:
    before = {path.name for path in folder.iterdir()}
    outcome = pipe(BAD, folder)
    assert outcome.out.split() == ["1", "2", "2", "1"]
    assert "FAILED" in (folder / "out").read_text()
    assert (folder / "err").read_text() == ""
    assert {path.name for path in folder.iterdir()} == before | {"out", "err"}


def test_progress_is_shown_on_a_terminal_only(folder: Path, printed: str) -> None:
    shown = terminal("nacelle bench net.ts --seconds 1 --threads 1 --json > measured.json", folder)
    assert shown.code == 0
    assert "Measuring" in shown.out
    assert json.loads((folder / "measured.json").read_text())["device"] == "cpu"
