"""Runs a saved program in a fresh Python process, which has never seen the model's code."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor


@dataclass(frozen=True)
class FreshRun:
    """The result of a program in a fresh process.

    Attributes:
        outputs: the program's outputs, on the CPU; one for a program that returns a tensor, else those of its tuple.
        graph: the graph of the program's forward, as loaded.
        load_seconds: torch.jit.load alone.
        run_seconds: the first call of the program.
        modules: names of all Python modules that the process had imported.
    """

    outputs: list[Tensor]
    graph: str
    load_seconds: float
    run_seconds: float
    modules: list[str]


class FreshProcessError(Exception):
    """The fresh process failed; the message holds its output."""


def run_in_fresh_process(
    program: Path, inputs: Sequence[Tensor], device: str = "cpu", threads: int | None = None
) -> FreshRun:
    """Loads `program` in a new process and calls it once with `inputs`, on `device`.

    `threads` is the number of threads that an operator may use: small networks are fastest with one, above all on a
    busy machine.

    Raises:
        FreshProcessError: it failed; the message ends with the process's own.
    """
    with tempfile.TemporaryDirectory() as folder:
        inputs_path = Path(folder) / "inputs.pt"
        result_path = Path(folder) / "result.pt"
        torch.save([tensor.cpu() for tensor in inputs], inputs_path)
        # The same packages as here, wherever the caller's launcher put them.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        if threads is not None:
            environment["OMP_NUM_THREADS"] = str(threads)
        script = Path(__file__).with_name("run_saved.py")
        command = [sys.executable, str(script), str(program), str(inputs_path), str(result_path), device]
        process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if process.returncode != 0:
            raise FreshProcessError(
                f"running {program} in a fresh process failed (exit status {process.returncode}):\n{process.stderr}"
            )
        return FreshRun(**torch.load(result_path, weights_only=True))
