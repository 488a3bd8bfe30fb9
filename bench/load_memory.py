"""Host memory while a program is loaded, beside torch's own: bazel run //bench:load_memory.

Loads a program with a large plan, and a module that holds the same strings without an engine, each in a fresh process,
and compares the peaks. The plan has the header of a TensorRT plan and nothing behind it that a library would read, so
what is measured is the way of its bytes through torch and the runtime.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import typer
from rich.console import Console
from rich.table import Table

import torch_nacelle as nacelle

MIB = 1 << 20
DEVICE = "0%9%0%0%NVIDIA H100 80GB HBM3"

# Prints the peak before and after the load, in KiB.
MEASURE = """
import re, sys, torch, torch_nacelle
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
before = peak()
torch.jit.load(sys.argv[1])
print(before, peak())
"""


class Strings(torch.nn.Module):
    """What torch reads for an engine, without the engine."""

    fields: list[str]

    def __init__(self, fields: list[str]) -> None:
        """Holds `fields`, as a record of an engine is held."""
        super().__init__()
        self.fields = fields

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Gives `x` back."""
        return x


def plan_of(size: int) -> bytes:
    """Bytes that begin as a plan of TensorRT 11.0.0.114 does."""
    return b"ftrt" + bytes(20) + bytes([11, 0, 0, 114]) + os.urandom(size - 28)


def peak_of_load(path: Path) -> float:
    """How far the peak of a fresh process rises while it loads `path`, in MiB; the least of three."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "MALLOC_ARENA_MAX": "1"}
    rises = []
    for _ in range(3):
        command = [sys.executable, "-c", MEASURE, str(path)]
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
        before, after = map(int, output.split())
        rises.append((after - before) / 1024)
    return min(rises)


def measure(folder: Path, plan: bytes, abi_version: int) -> tuple[float, float]:
    """The rises of the peak for torch's own reading and for the program, in MiB."""
    program = nacelle.embed(plan, name="net", device=DEVICE, abi_version=9, input_names=["x"], output_names=["y"])
    copy = nacelle.read(program)
    copy.convert(abi_version, drop=["target_platform"])
    copy.save(folder / "program.ts")
    # The record's one large field is what counts: raw bytes, or base64 that is a third longer.
    length = len(plan) if abi_version == 3 else (len(plan) + 2) // 3 * 4
    torch.jit.script(Strings(["x" * length])).save(str(folder / "strings.ts"))
    return peak_of_load(folder / "strings.ts"), peak_of_load(folder / "program.ts")


def main(size: int = typer.Option(100, help="Size of the plan in MiB.")) -> None:
    """Prints the peaks of host memory while programs with a large plan are loaded."""
    table = Table("record", "torch's own, MiB", "program, MiB", "above it, of the plan")
    with tempfile.TemporaryDirectory() as folder:
        for abi_version in (3, 9):
            own, program = measure(Path(folder), plan_of(size * MIB), abi_version)
            table.add_row(f"version {abi_version}", f"{own:.0f}", f"{program:.0f}", f"{(program - own) / size:.2f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
