"""Streams that are no files: closed and broken standard streams, pipes and endless devices where a command reads."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

import torch_nacelle
from tests.py.cli import samples
from tests.py.cli.commands import nacelle
from tests.py.cli.terminal import pipe

CLOSED = "nacelle: standard output cannot be written: Bad file descriptor\n"
FULL = "nacelle: standard output cannot be written: No space left on device\n"

# Every command that reads a file, {} for it.
READERS = {
    "inspect": "inspect {}.ts",
    "inspect-plan": "inspect {}.plan",
    "inspect-profile": "inspect model.ts --html out.html --profile {}.json",
    "doctor": "doctor {}.ts",
    "diff-old": "diff {}.ts model.ts",
    "diff-new": "diff model.ts {}.ts",
    "convert": "convert {}.ts out.ts --abi 9",
    "strip": "strip {}.ts -o out.ts",
    "extract": "extract {}.ts net -o out.plan",
    "replace": "replace {}.ts net net.plan -o out.ts",
    "embed": "embed {}.plan -o out.ts",
    "compile-onnx": "compile {}.onnx -o out.ts",
    "compile-pt2": "compile {}.pt2 -o out.ts",
    "compile-ts": "compile {}.ts -o out.ts -i [1,3,8,8]",
    "run": "run {}.ts",
    "run-npy": "run model.ts -i {}.npy",
    "run-npz": "run model.ts -i {}.npz:x",
    "bench": "bench {}.ts",
    "check": "check {}.ts --against original.ts",
    "check-onnx": "check model.ts --against {}.onnx",
    "check-pt2": "check model.ts --against {}.pt2",
    "check-ts": "check model.ts --against {}.ts",
}
SUFFIXES = (".ts", ".plan", ".json", ".onnx", ".pt2", ".npy", ".npz")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("files")
    samples.model_files(made)
    os.mkfifo(made / "pipe.ts")
    for suffix in SUFFIXES:
        if suffix != ".ts":
            (made / f"pipe{suffix}").symlink_to("pipe.ts")
        (made / f"zero{suffix}").symlink_to("/dev/zero")
    return made


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.fixture
def ending() -> Iterator[None]:
    """Ends what waits for ever."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError("the command did not end")

    former = signal.signal(signal.SIGALRM, end)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, former)


@pytest.mark.usefixtures("ending")
@pytest.mark.parametrize("kind", ["pipe", "zero"])
@pytest.mark.parametrize("way", READERS)
def test_a_pipe_or_a_device_is_refused_before_it_is_read(way: str, kind: str, folder: Path) -> None:
    before = sorted(os.listdir(folder))
    outcome = nacelle(*READERS[way].replace("{}", kind).split())
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith(f"nacelle: {kind}.")
    assert "a pipe or a device; copy" in outcome.err
    assert sorted(os.listdir(folder)) == before


def test_programs_read_from_python(folder: Path) -> None:
    for name in ("pipe.ts", "zero.ts"):
        with pytest.raises(torch_nacelle.InputError, match="a pipe or a device; copy it into a file first"):
            torch_nacelle.read(name)
    for name in ("pipe.onnx", "zero.onnx"):
        with pytest.raises(torch_nacelle.InputError, match="a pipe or a device; copy the model into a file first"):
            torch_nacelle.compile(name)


@pytest.mark.parametrize(
    "command", ["inspect model.ts", "inspect --json model.ts", "--version", "--help", "diff model.ts original.ts"]
)
def test_standard_output_that_is_closed_or_full(command: str, folder: Path) -> None:
    outcome = pipe(f"nacelle {command} >&-", folder)
    assert (outcome.code, outcome.out, outcome.err) == (1, "", CLOSED)
    outcome = pipe(f"nacelle {command} >/dev/full", folder)
    assert (outcome.code, outcome.out, outcome.err) == (1, "", FULL)


def test_a_file_never_gets_the_number_of_a_closed_stream(folder: Path) -> None:
    """The program that is written would have what is printed in it."""
    outcome = pipe("nacelle strip model.ts -o good.ts; nacelle strip model.ts -o bad.ts <&- >&- 2>&-", folder)
    assert (outcome.code, outcome.err) == (1, "")
    assert (folder / "bad.ts").read_bytes() == (folder / "good.ts").read_bytes()


def test_errors_with_no_stream_to_print_to(folder: Path) -> None:
    for streams in ("2>&-", ">&- 2>&-", "<&- >&- 2>&-"):
        outcome = pipe(f"nacelle inspect none.ts {streams}", folder)
        assert (outcome.code, outcome.out, outcome.err) == (1, "", "")


def test_a_reader_that_goes_away_is_no_error(folder: Path) -> None:
    for command in ("inspect model.ts", "inspect --json model.ts", "--help", "--version"):
        script = f"(until [ -e gone ]; do sleep 0.1; done; nacelle {command}) | (exec <&-; touch gone)"
        outcome = pipe(f"rm -f gone; {script}; echo ${{PIPESTATUS[0]}}", folder)
        assert (outcome.out, outcome.err) == ("1\n", "")
