"""Every write, sync and rename of a command fails in turn, and a sample of its reads and allocations.

The destination is then what was there before, or the new file, whole; nothing else is left in its folder; a command
that failed says so in its own words, with exit code 1.

For allocations the promise is smaller: torch and Python have places that cannot go on without memory, and end the
process. The destination is whole all the same, and what is left beside it goes with the next write.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle
from tests.py.networks import TwoHeads, seeded

FORMER = "what was there before"
COMMANDS = {
    "convert": ["convert", "model.ts", "out/file", "--abi", "9"],
    "strip": ["strip", "model.ts", "-o", "out/file"],
    "extract": ["extract", "model.ts", "net", "-o", "out/file"],
    "replace": ["replace", "model.ts", "net", "net.plan", "-o", "out/file"],
    "embed": ["embed", "net.plan", "-o", "out/file"],
    "compile": ["compile", "original.ts", "-i", "[1,3,8,8]", "--backend", "reference", "-o", "out/file"],
    "inspect": ["inspect", "model.ts", "--html", "out/file"],
    "run": ["run", "model.ts", "-o", "out/file.npz"],
}
MOST = 12  # more calls than these are sampled


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("files").resolve()
    model = torch.jit.script(seeded(TwoHeads))
    torch.jit.save(model, str(made / "original.ts"))
    program = torch_nacelle.compile(model, [torch.rand(1, 3, 8, 8)], backend="reference", name="net")
    program.save(str(made / "model.ts"))
    torch_nacelle.extract(made / "model.ts", "net", made / "net.plan")
    (made / "out").mkdir()
    return made


@pytest.fixture(scope="module")
def runner() -> Iterator[subprocess.Popen[str]]:
    """The process that runs commands in forks of itself: it imports torch, which takes longer than most commands."""
    variables = {
        "LD_PRELOAD": str(Path("tests/py/faults/libfailing_calls.so").resolve()),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONMALLOC": "malloc",  # small objects are allocated one by one, too
        "COLUMNS": "160",
    }
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", str(Path("tests/py/faults/commands_that_fail.py").resolve())],
        env=os.environ | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait() == 0


def outcomes(runner: subprocess.Popen[str], folder: Path, command: str, kinds: list[str]) -> list[dict[str, Any]]:
    """Runs a command with another call failing each time; the first of each kind ran with none."""
    arguments = COMMANDS[command]
    job = {
        "arguments": arguments,
        "folder": str(folder),
        "destination": next(argument for argument in arguments if argument.startswith("out/")),
        "former": FORMER,
        "kinds": kinds,
        "most": MOST,
    }
    assert runner.stdin is not None and runner.stdout is not None
    runner.stdin.write(json.dumps(job) + "\n")
    runner.stdin.flush()
    answers = []
    while (line := runner.stdout.readline()) != "\n":
        assert line, f"the process that runs {command} ended"
        answers.append(json.loads(line))
    return answers


@pytest.mark.parametrize("command", COMMANDS)
def test_writes_syncs_and_renames(command: str, runner: subprocess.Popen[str], folder: Path) -> None:
    new: dict[str, str] = {}
    kinds = set()
    for outcome in outcomes(runner, folder, command, ["write", "sync", "rename"]):
        if outcome["number"] == 0:
            assert outcome["code"] == 0, outcome
            assert len(outcome["files"]) == 1
            assert outcome["count"] > 0
            assert new in ({}, outcome["files"])
            new = outcome["files"]
            kinds.add((outcome["kind"], outcome["count"]))
            continue
        (name,) = new
        former = {name: hashlib.sha256(FORMER.encode()).hexdigest()}
        assert outcome["code"] == 1, outcome
        # The folder's sync is the last step: the file is there, and its message says so.
        synced_last = outcome["kind"] == "sync" and "is written, and its folder cannot be synced" in outcome["printed"]
        assert outcome["files"] == (new if synced_last else former), outcome
        assert_told(outcome)
    assert {("sync", 2), ("rename", 1)} <= kinds  # file and folder


@pytest.mark.parametrize("command", COMMANDS)
def test_reads(command: str, runner: subprocess.Popen[str], folder: Path) -> None:
    counted, *failed = outcomes(runner, folder, command, ["read"])
    former = {name: hashlib.sha256(FORMER.encode()).hexdigest() for name in counted["files"]}
    assert counted["code"] == 0, counted
    assert failed
    for outcome in failed:
        if outcome["code"] == 0:  # it did without: an answer that only makes it faster
            assert outcome["files"] == counted["files"], outcome
            continue
        assert outcome["code"] == 1, outcome
        assert outcome["files"] == former, outcome
        assert_told(outcome)


@pytest.mark.parametrize("command", COMMANDS)
def test_allocations(command: str, runner: subprocess.Popen[str], folder: Path) -> None:
    counted, *failed = outcomes(runner, folder, command, ["allocation"])
    former = {name: hashlib.sha256(FORMER.encode()).hexdigest() for name in counted["files"]}
    (name,) = former
    assert counted["code"] == 0, counted
    assert failed
    for outcome in failed:
        assert outcome["code"] is not None, outcome  # it ended
        assert outcome["files"][name] in (former[name], counted["files"][name]), outcome
        if outcome["code"] == 0:
            assert outcome["files"] == counted["files"], outcome
        left = [other for other in outcome["files"] if other != name]
        assert all(other.startswith(".nacelle.") for other in left), outcome


def assert_told(outcome: dict[str, Any]) -> None:
    """A message of ours, and no trace of Python's."""
    assert outcome["printed"].startswith("nacelle: "), outcome
    assert "Traceback" not in outcome["printed"], outcome
