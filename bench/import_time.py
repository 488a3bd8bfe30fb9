"""Measures the import of torch_nacelle beside torch's own, in fresh processes."""

import os
import statistics
import subprocess
import sys
from typing import Annotated

import typer

MEASURE = """
import time
start = time.perf_counter()
import torch
torch_is_there = time.perf_counter()
import torch_nacelle
print(torch_is_there - start, time.perf_counter() - torch_is_there)
"""


def measure() -> tuple[float, float]:
    """Returns the seconds that a fresh process takes to import torch, and torch_nacelle after it."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    output = subprocess.run(
        [sys.executable, "-c", MEASURE], env=environment, check=True, capture_output=True, text=True
    )
    torch_seconds, own_seconds = map(float, output.stdout.split())
    return torch_seconds, own_seconds


def main(processes: Annotated[int, typer.Option(help="Number of processes.", min=1)] = 5) -> None:
    """Prints the medians and the shortest times."""
    for name, times in zip(
        ("torch", "torch_nacelle"), zip(*(measure() for _ in range(processes)), strict=True), strict=True
    ):
        print(f"import {name}: {statistics.median(times) * 1e3:.1f} ms, at least {min(times) * 1e3:.1f} ms")


if __name__ == "__main__":
    typer.run(main)
