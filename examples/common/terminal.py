"""Output of the examples: steps with their times, and the engines of a program."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import reduce
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

import torch_nacelle as nacelle


def make_console() -> Console:
    """The standard output, with room for the tables if it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else 120)


@contextmanager
def step(console: Console, text: str, *, shows_itself: bool = False) -> Iterator[None]:
    """Shows a step while it runs, unless it `shows_itself`, and then its time; nothing more if it fails."""
    start = time.perf_counter()
    with nullcontext() if shows_itself else console.status(f"{text} …"):
        yield
    console.print(f"[green]✓[/green] {text} [dim]{time.perf_counter() - start:.1f} s[/dim]", highlight=False)


def user_path(path: Path) -> Path:
    """A path relative to the user's folder: `bazel run` starts programs in another one, and names the user's."""
    return Path(os.environ.get("BUILD_WORKING_DIRECTORY", ".")) / path


def size(count: int) -> str:
    """A number of bytes for a person."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def engine_table(program: Path) -> Table:
    """The engines in a saved program, a row each."""
    table = Table(title=f"Engines in {program.name} ({size(program.stat().st_size)})", title_justify="left")
    for column in ("path", "name", "ABI", "device", "plan", "release", "inputs → outputs"):
        table.add_column(column, justify="right" if column in ("ABI", "plan") else "left", overflow="fold")
    read = nacelle.read(program)
    for engine in read.engines:
        # The record of version 3 keeps no names; the engine itself, set up, knows them.
        loaded = reduce(getattr, engine.path.split("."), read.module)
        flow = f"{', '.join(loaded.input_names())} → {', '.join(loaded.output_names())}"
        abi, plan, device = str(engine.abi_version), size(engine.plan_size), engine.device_description
        table.add_row(engine.path, engine.name, abi, device, plan, engine.plan_release, flow)
    return table


def largest_difference(a: Iterable[Tensor], b: Iterable[Tensor]) -> float:
    """The largest difference between any two numbers of the tensors, taken in pairs; 0 if they are empty.

    Raises:
        ValueError: the shapes of a pair are not the same.
    """
    largest = 0.0
    for left, right in zip(a, b, strict=True):
        if left.shape != right.shape:
            raise ValueError(f"an output is {list(left.shape)} in one and {list(right.shape)} in the other")
        if left.numel() > 0:
            largest = max(largest, float(torch.max(torch.abs(left.double() - right.double()))))
    return largest
