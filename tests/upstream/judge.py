"""The judge: Torch-TensorRT's own runtime, asked from a test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from tests.upstream.calling import Called

# Set in BUILD.
ABI = int(os.environ["NACELLE_JUDGE_ABI"])
LIBRARIES = [str(Path(path).resolve()) for path in os.environ["NACELLE_JUDGE_LIBRARIES"].split(":")]
RELEASE = os.environ["NACELLE_JUDGE_RELEASE"]
TENSORRT = os.environ["NACELLE_JUDGE_TENSORRT"]


class RefusedError(Exception):
    """The judge refused; the message is its own."""


class DiedError(Exception):
    """The judge's process ended; the message is its exit status and its log."""


class Judge:
    """A process in which Torch-TensorRT's runtime is, and Nacelle is not."""

    def __init__(self, folder: Path) -> None:
        """Starts it.

        Args:
            folder: The folder for exchanged tensors and the log.
        """
        self._folder = folder
        self._log_path = folder / "judge.log"
        self._log_read = 0
        self._count = 0
        with self._log_path.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.upstream.judge_process", *LIBRARIES],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "NACELLE_FAKE_GPU": "eager", "NACELLE_REFERENCE_RELEASE": TENSORRT},
            )
        self.abi = int(self._answer()["abi"])

    def is_alive(self) -> bool:
        """Returns whether the process still runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """Ends the process. Raises DiedError if it does not end well."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        if status := self._process.wait():
            raise DiedError(f"exit status {status}: {self._log_path.read_text(errors='replace')}")

    def log(self) -> str:
        """Returns what the runtime has logged since the last call."""
        text = self._log_path.read_text(errors="replace")
        new, self._log_read = text[self._log_read :], len(text)
        return new

    def load(self, path: Path) -> Judged:
        """Loads a program. Raises RefusedError."""
        return Judged(self, int(self.ask("load", path=str(path))["program"]))

    def loaded_libraries(self) -> list[str]:
        """Returns the paths of the shared libraries in its process."""
        return list(self.ask("loaded")["libraries"])

    def new_path(self, suffix: str) -> Path:
        """Returns a path for an exchange."""
        self._count += 1
        return self._folder / f"{self._count}{suffix}"

    def ask(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Sends a request and returns the answer. Raises RefusedError, DiedError."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **arguments}) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        if "error" in answer:
            raise RefusedError(answer["error"])
        return answer

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise DiedError(f"exit status {self._process.wait()}: {self._log_path.read_text(errors='replace')}")
        answer: dict[str, Any] = json.loads(line)
        return answer


class Judged:
    """A program that the judge has loaded."""

    def __init__(self, judge: Judge, number: int) -> None:
        """A program by the judge's number for it."""
        self._judge = judge
        self._number = number

    def call(self, inputs: Sequence[Any], times: int = 1) -> Called:
        """Calls the program `times` times with the same tensors on the GPU. Raises RefusedError."""
        given, to = self._judge.new_path(".inputs"), self._judge.new_path(".outputs")
        torch.save(list(inputs), given)
        self._judge.ask("call", program=self._number, inputs=str(given), times=times, to=str(to))
        return Called(**torch.load(to))

    def save(self, path: Path) -> Path:
        """Saves the program."""
        self._judge.ask("save", program=self._number, path=str(path))
        return path

    def surface(self, engine: str) -> dict[str, Any]:
        """Returns what an engine's class and the operators beside it offer; see calling.surface."""
        return self._judge.ask("surface", program=self._number, engine=engine)
