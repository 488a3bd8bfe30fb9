"""``nacelle bench`` measures the times of a program's calls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nacelle_cli.arguments.destinations import check, parse
from nacelle_cli.arguments.tensors import parse_given, tensors_of, torch_device
from nacelle_cli.commands.run import Device, GivenInputs, ProgramFile, Seed, calling
from nacelle_cli.failures import wrong_usage
from nacelle_cli.render import output

if TYPE_CHECKING:
    from torch_nacelle import Benchmark


def bench(
    file: ProgramFile,
    given: GivenInputs = None,
    seconds: Annotated[float, typer.Option(help="How long to measure, about.")] = 10.0,
    threads: Annotated[
        str, typer.Option(metavar="N,N,…", help="Numbers of threads to measure throughput with.")
    ] = "1,2,4",
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png|svg", help="Draw the figures; needs the package matplotlib.", parser=parse),
    ] = None,
    device: Device = None,
    seed: Seed = 0,
    json: output.Json = False,
) -> None:
    """Measure the calls of a program: latency, throughput by threads, the runtime's share, memory.

    host: from the call until it returns. device: between CUDA events around it. end to end: from inputs in the host's
    memory to outputs there. Calls are made after a warm-up, as many as there is time for.

    This runs the code of the file, as nacelle run does: give a file that you trust.

    Example: [bold]nacelle bench model.ts --seconds 20 --threads 1,2,4,8 --plot model.png[/bold]
    """
    sources = [parse_given(text) for text in given or ()]
    counts = _counts(threads)
    check(plot)
    import torch_nacelle as nacelle

    # One step is a millisecond.
    with output.progress("Measuring", total=round(seconds * 1000)) as advance, calling(file):
        result = nacelle.bench(
            file,
            lambda program: tensors_of(sources, program, seed),
            device=None if device is None else torch_device(device),
            seconds=seconds,
            threads=counts,
            progress=lambda more: advance(round(more * 1000)),
            plot=plot,
        )
    if json:
        output.print_json(result.to_dict(), beside=plot)
    else:
        _print(result, plot)
    if plot is not None:
        output.note(f"wrote {plot}")


def _counts(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        wrong_usage(f"--threads takes numbers with commas between them, such as 1,2,4; found {text!r}")
    return [int(part) for part in parts]


def _print(result: Benchmark, plot: Path | None) -> None:
    from rich.table import Table

    console = output.stdout(beside=plot)
    inputs = ", ".join(f"{name}: {dtype} {list(shape)}" for name, dtype, shape in result.inputs)
    console.print(f"on {result.device}, with {inputs or 'no inputs'}")
    latency = Table("latency, ms", "calls", "mean", "p50", "p90", "p99", box=None, pad_edge=False)
    for what, times in (("host", result.host), ("device", result.on_device), ("end to end", result.end_to_end)):
        if times is not None:
            figures = times.summary()
            calls = str(int(figures.pop("calls")))
            latency.add_row(what, calls, *(f"{figure:.4g}" for figure in figures.values()))
    console.print()
    console.print(latency)
    if result.parts is not None:
        parts = result.parts
        table = Table("of a call, profiled, µs", "p50", box=None, pad_edge=False)
        table.add_row("engines alone (the floor)", f"{parts.engine * 1000:.2f}")
        table.add_row("added by the runtime", f"{parts.runtime * 1000:.2f}")
        for name, value in parts.phases.items():
            table.add_row(f"  {name}", f"{value * 1000:.2f}")
        table.add_row("rest of the program", f"{parts.rest * 1000:.2f}")
        console.print()
        console.print(table)
    throughput = Table("threads", "calls", "calls a second", box=None, pad_edge=False)
    for one in result.throughput:
        throughput.add_row(str(one.threads), str(one.calls), f"{one.calls_per_second:.5g}")
    console.print()
    console.print(throughput)
    console.print()
    console.print(_memory(result))
    console.print(result.conditions)


def _memory(result: Benchmark) -> str:
    memory = result.memory
    parts = [f"host memory: peak {output.size_text(memory.host_peak)}"]
    if memory.host_before is not None:
        parts.append(f"{output.size_text(memory.host_before)} before the program was loaded")
    if memory.device_peak is not None:
        parts.append(f"GPU: torch's peak {output.size_text(memory.device_peak)}")
    if memory.device_rise is not None:
        parts.append(f"{output.size_text(max(0, memory.device_rise))} more in use than before")
    return "; ".join(parts)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("bench")(bench)
