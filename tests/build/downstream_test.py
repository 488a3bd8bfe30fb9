"""Another project that uses this one: the workspace in tests/downstream is built and run by a Bazel of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle

SOURCES = Path(os.environ["NACELLE_SOURCES"])
# Kept from run to run, so that only the first compiles.
OUTPUT = Path(os.environ["NACELLE_CACHE"], "downstream")
# The folder of this build's repositories. The other build takes the large ones from it, and those of the package index.
EXTERNAL = Path("../python/environment.json").resolve().parent.parent
SHARED = ("cuda_headers", "python")


def environment() -> dict[str, str]:
    """The environment of a user's shell, without the variables that Bazel sets for a test."""
    own = ("TEST_", "RUNFILES_", "PYTHON", "NACELLE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


def run(*command: str | Path, cwd: Path) -> str:
    ended = subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{command}\n{ended.stdout}{ended.stderr}"
    return ended.stdout


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "model.ts"
    nacelle.compile(torch.nn.ReLU(), [nacelle.Input(min=(1, 3), max=(4, 3))]).save(str(path))
    return path


def test_builds_tests_and_runs(program: Path, tmp_path: Path) -> None:
    bazel = shutil.which("bazel") or shutil.which("bazelisk")
    assert bazel is not None
    options = [f"--override_repository={name}={EXTERNAL / name}" for name in SHARED]
    startup = ["--batch", "--nohome_rc", f"--output_user_root={OUTPUT}"]
    links = f"--symlink_prefix={tmp_path}/bazel-"
    run(bazel, *startup, "test", links, *options, "//...", cwd=SOURCES / "tests/downstream")
    assert run(tmp_path / "bazel-bin/run_program", program, "2", "3", cwd=tmp_path) == "6\n"
