"""Measures the cost of calling an engine on the host: bazel run //bench:overhead.

Each row times two calls from Python through TorchScript: a program with an engine of the reference engine, and the same
work without an engine. The difference is the engine's cost beside its work.

- The first rows compare real engines with the TorchScript module that is inside the engine, called directly.
- The rows "nothing" compare an engine that returns from a run at once (idle_engine.cc) with a TorchScript module that
  returns its inputs. The difference is the operator's own share: the interpreter's steps for the operator, the checks
  of the inputs, the context, new tensors for the outputs, and the calls of TensorRT's interface.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch.utils import benchmark

import torch_nacelle as nacelle

IDLE_ENGINE = Path(__file__).with_name("libidle_engine.so")
ROUNDS = 20  # short, so that other work on the machine does not disturb all of them


class OneOutput(torch.nn.Module):
    """One elementwise operation."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The sum of `x` and 1."""
        return x + 1.0


class TwoOutputs(torch.nn.Module):
    """Two elementwise operations."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`x` plus 1, and `x` times 2."""
        return x + 1.0, x * 2.0


class NothingOnce(torch.nn.Module):
    """No operation."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x`."""
        return x


class NothingTwice(torch.nn.Module):
    """No operation, two outputs."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`x`, twice."""
        return x, x


@dataclass(frozen=True)
class Case:
    """The two sides of a row: a module called directly, and the engine of a module."""

    name: str
    direct: torch.nn.Module
    inside: torch.nn.Module
    idle: bool


CASES = (
    Case("1 output, x + 1", OneOutput(), OneOutput(), idle=False),
    Case("2 outputs, x + 1 and x * 2", TwoOutputs(), TwoOutputs(), idle=False),
    Case("1 output, nothing", NothingOnce(), OneOutput(), idle=True),
    Case("2 outputs, nothing", NothingTwice(), TwoOutputs(), idle=True),
)


@dataclass(frozen=True)
class Row:
    """Microseconds a call."""

    name: str
    direct: float
    engine: float

    @property
    def added(self) -> float:
        """The engine's cost beside its work."""
        return self.engine - self.direct


@contextmanager
def idle_engines() -> Iterator[None]:
    """Makes engines of the reference engine, if they are set up within, do nothing when they run."""
    before = os.environ.get("NACELLE_REFERENCE_LIBRARY")
    os.environ["NACELLE_REFERENCE_LIBRARY"] = str(IDLE_ENGINE)
    try:
        yield
    finally:
        os.environ.pop("NACELLE_REFERENCE_LIBRARY")
        if before is not None:
            os.environ["NACELLE_REFERENCE_LIBRARY"] = before


def engine_of(case: Case, x: torch.Tensor) -> torch.jit.ScriptModule:
    """A program whose only work is the case's engine."""
    if not case.idle:
        return nacelle.compile(case.inside, [x], backend="reference")
    with idle_engines():
        return nacelle.compile(case.inside, [x], backend="reference")


def median_us(call: Callable[[torch.Tensor], object], x: torch.Tensor, seconds: float) -> float:
    """The median time of `call(x)` in microseconds, over blocks of calls that run `seconds` together."""
    timer = benchmark.Timer("call(x)", globals={"call": call, "x": x}, num_threads=1)
    return float(timer.blocked_autorange(min_run_time=seconds).median * 1e6)


def measure(case: Case, x: torch.Tensor, seconds: float) -> Row:
    """Times both calls of a case in turn, and takes the round that was disturbed least."""
    direct = torch.jit.freeze(torch.jit.script(case.direct.eval()))
    engine = engine_of(case, x)
    part = seconds / ROUNDS
    with torch.inference_mode():
        rounds = [(median_us(direct, x, part), median_us(engine, x, part)) for _ in range(ROUNDS)]
    return Row(case.name, min(a for a, _ in rounds), min(b for _, b in rounds))


def main(seconds: float = typer.Option(3.0, help="How long to run each of the eight calls.")) -> None:
    """Prints the host time of a call, with and without an engine."""
    started = nacelle.conditions()
    table = Table("engine", "without it, µs", "with it, µs", "added, µs", title="Host time per call")
    for case in CASES:
        row = measure(case, torch.ones(1, 16), seconds)
        table.add_row(row.name, f"{row.direct:.2f}", f"{row.engine:.2f}", f"{row.added:.2f}")
    console = Console()
    console.print(table)
    console.print(started, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
