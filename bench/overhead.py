"""What calling an engine costs on the host: bazel run //bench:overhead.

Times programs of the reference engine against the TorchScript module that is inside the engine, called directly. The
difference is what the operator, the checks, the context and the interface of TensorRT add to a call.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch.utils import benchmark

import torch_nacelle as nacelle


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


@dataclass(frozen=True)
class Row:
    """Median microseconds a call."""

    name: str
    direct: float
    engine: float


def median_us(call: Callable[[torch.Tensor], object], x: torch.Tensor, seconds: float) -> float:
    """The median time of `call(x)` in microseconds, of blocks that together run `seconds`."""
    timer = benchmark.Timer("call(x)", globals={"call": call, "x": x}, num_threads=1)
    return float(timer.blocked_autorange(min_run_time=seconds).median * 1e6)


def measure(module: torch.nn.Module, x: torch.Tensor, seconds: float) -> Row:
    """Times `module` as TorchScript and as an engine, turn by turn."""
    direct = torch.jit.freeze(torch.jit.script(module.eval()))
    engine = nacelle.compile(module, [x])
    with torch.inference_mode():
        rounds = [(median_us(direct, x, seconds / 3), median_us(engine, x, seconds / 3)) for _ in range(3)]
    return Row(type(module).__name__, min(a for a, _ in rounds), min(b for _, b in rounds))


def main(seconds: float = typer.Option(3.0, help="How long to run each of the calls.")) -> None:
    """Prints the host time of a call, with and without an engine."""
    table = Table("module", "inner module, µs", "engine, µs", "added, µs")
    for module in (OneOutput(), TwoOutputs()):
        row = measure(module, torch.ones(1, 16), seconds)
        table.add_row(row.name, f"{row.direct:.2f}", f"{row.engine:.2f}", f"{row.engine - row.direct:.2f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
