"""A command that is killed while it writes leaves the old file or none, and never a half one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import torch_nacelle as nacelle
from tests.py.cli.commands import nacelle as nacelle_command

# The header of a TensorRT plan with nothing behind it: large enough that writing it takes a while.
PLAN = b"ftrt" + bytes(20) + bytes([11, 0, 0, 114]) + bytes(150 << 20)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("programs") / "large.ts"
    module = nacelle.embed(
        PLAN, name="net", device="0%9%0%0%NVIDIA H100", abi_version=9, input_names=["x"], output_names=["y"]
    )
    nacelle.read(module).save(path)
    return path


def killed_while_writing(arguments: list[str], folder: Path, how: signal.Signals) -> int:
    """Starts a command, sends the signal as soon as it has begun to write into `folder`, and returns how it ended."""
    command = [sys.executable, "-m", "torch_nacelle", *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 600
        while not any(path.stat().st_size for path in folder.glob(".nacelle.*")):
            assert process.poll() is None, "the command ended before it was seen to write"
            assert time.monotonic() < end
            time.sleep(0.001)
        process.send_signal(how)
        return process.wait(timeout=600)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("former", [b"what was there before", None])
def test_a_program_that_is_converted(program: Path, tmp_path: Path, how: signal.Signals, former: bytes | None) -> None:
    out = tmp_path / "out.ts"
    if former is not None:
        out.write_bytes(former)
    code = killed_while_writing(["convert", str(program), str(out), "--abi", "10"], tmp_path, how)
    assert code == (-how if how == signal.SIGKILL else 128 + how)
    assert (out.read_bytes() if out.exists() else None) == former
    seen = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert seen == ([out] if former is not None else [])
    if how == signal.SIGTERM:
        assert list(tmp_path.iterdir()) == seen
    else:
        assert len(list(tmp_path.iterdir())) == len(seen) + 1
        assert nacelle_command("convert", program, out, "--abi", "10").code == 0
        assert list(tmp_path.iterdir()) == [out]


def test_a_plan_that_is_extracted(program: Path, tmp_path: Path) -> None:
    code = killed_while_writing(
        ["extract", str(program), "net", "-o", str(tmp_path / "out.plan")], tmp_path, signal.SIGKILL
    )
    assert code == -signal.SIGKILL
    assert not (tmp_path / "out.plan").exists()
