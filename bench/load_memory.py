"""Host memory while a program is loaded, beside torch's own: bazel run //bench:load_memory.

Loads a program with a large plan, and a module that holds the same strings without an engine, each in a fresh process,
and compares the peaks. Unless --plan gives a real one, the plan has the header of a TensorRT plan and nothing behind it
that a library would read, so what is measured is the way of its bytes through torch and the runtime. With a real plan,
on a GPU, what TensorRT takes while it reads the plan comes on top; --first names a small plan of the same release that
each process loads before, so that CUDA and the library are there already.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

import torch_nacelle as nacelle

MIB = 1 << 20
DEVICE = "0%9%0%0%NVIDIA H100 80GB HBM3"

# Prints what the process holds before the load and the peak of it, in KiB. (Writing 5 there sets the peak back.)
MEASURE = """
import re, sys, torch, torch_nacelle
held = lambda what: int(re.search(what + r":\\s+(\\d+)", open("/proc/self/status").read())[1])
if len(sys.argv) > 2:
    first = torch.jit.load(sys.argv[2])
    open("/proc/self/clear_refs", "w").write("5")
before = held("VmHWM")
torch.jit.load(sys.argv[1])
print(before, held("VmHWM"))
"""


class Strings(torch.nn.Module):
    """Holds the strings that torch reads for an engine, without the engine."""

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


def peak_of_load(path: Path, first: Path | None = None, processes: int = 1) -> float:
    """The rise of a fresh process's peak memory while it loads `path`, in MiB; the least of several processes.

    `first` is a program that it has loaded before.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "MALLOC_ARENA_MAX": "1"}
    rises = []
    for _ in range(processes):
        command = [sys.executable, "-c", MEASURE, str(path), *([str(first)] if first else [])]
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
        before, after = map(int, output.split())
        rises.append((after - before) / 1024)
    return min(rises)


def made_up(plan: bytes) -> torch.jit.ScriptModule:
    """A program with a plan that no library reads."""
    return nacelle.embed(plan, name="net", device=DEVICE, abi_version=9, input_names=["x"], output_names=["y"])


def measure(
    folder: Path,
    program: torch.jit.ScriptModule,
    abi_version: int,
    first: Path | None = None,
    processes: int = 1,
) -> tuple[float, float]:
    """The rises of the peak for torch's own reading and for a program of one engine, in MiB."""
    copy = nacelle.read(program)
    size = copy.engines[0].plan_size
    copy.convert(abi_version, drop=["target_platform"])
    copy.save(folder / "program.ts")
    # The record's one large field is what counts: raw bytes, or base64 that is a third longer.
    length = size if abi_version == 3 else (size + 2) // 3 * 4
    torch.jit.script(Strings(["x" * length])).save(str(folder / "strings.ts"))
    own, rise = (peak_of_load(folder / name, first, processes) for name in ("strings.ts", "program.ts"))
    return own, rise


def main(
    size: Annotated[int, typer.Option(help="Size of the made-up plan in MiB.")] = 100,
    plan: Annotated[Path | None, typer.Option(help="A real plan to load instead, on the GPU that it is for.")] = None,
    first: Annotated[Path | None, typer.Option(help="A small plan that each process loads before.")] = None,
    processes: Annotated[int, typer.Option(help="Processes for each figure.", min=1)] = 3,
) -> None:
    """Prints the peaks of host memory while programs with a large plan are loaded."""
    table = Table("record", "torch's own, MiB", "program, MiB", "above it, of the plan")
    content = plan_of(size * MIB) if plan is None else plan.read_bytes()
    program = made_up(content) if plan is None else nacelle.embed(content, name="net")
    with tempfile.TemporaryDirectory() as folder:
        before = None
        if first is not None:
            before = Path(folder) / "first.ts"
            nacelle.embed(first.read_bytes(), name="first").save(str(before))
        for abi_version in (3, 9):
            own, rise = measure(Path(folder), program, abi_version, before, processes)
            above = (rise - own) / (len(content) / MIB)
            table.add_row(f"version {abi_version}", f"{own:.0f}", f"{rise:.0f}", f"{above:.2f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
