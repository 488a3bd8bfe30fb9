"""``nacelle check`` compares what a program computes with what its original computes."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nacelle_cli.arguments.models import load_original
from nacelle_cli.arguments.tensors import parse_given, tensors_of
from nacelle_cli.commands.run import ProgramFile, Seed
from nacelle_cli.failures import Answer
from nacelle_cli.packages import need
from nacelle_cli.render import output

if TYPE_CHECKING:
    from torch_nacelle import CheckReport, Input


def check(
    file: ProgramFile,
    against: Annotated[
        Path,
        typer.Option(
            metavar="ORIGINAL",
            help="What it was made from: ONNX (.onnx), an exported program (.pt2; no Python of the file runs, its "
            "operators do), TorchScript; or another program of any kind with engines.",
        ),
    ],
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="[NAME=]VALUE",
            help="What to call both with; see nacelle run. Left out: random, of the smallest, the best and the largest "
            "shapes of every optimization profile that the program allows.",
        ),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="The relative error that is allowed. Default: by the precision.")
    ] = None,
    precision: Annotated[str, typer.Option(help="What the engines compute in: fp32, tf32, fp16, bf16, int8.")] = "fp32",
    seed: Seed = 0,
    json: output.Json = False,
) -> None:
    """Call a program and its original with the same inputs, and compare their outputs.

    The exit code is 0 if every output is within the threshold, else 1. The relative error of an output is its largest
    difference, divided by the original's largest value.

    This runs the code of both files: give files that you trust.

    Example: [bold]nacelle check model.ts --against model.onnx[/bold]
    """
    sources = [parse_given(text) for text in given or ()]
    original = load_original(against)
    if isinstance(original, Path):
        _tell_without_onnxruntime(original)
    import torch_nacelle as nacelle

    program = nacelle.load(file)
    chosen: Any = precision  # nacelle.check knows the precisions
    inputs = list(tensors_of(sources, program, seed).values()) if sources else _described(program)
    try:
        report = nacelle.check(program, original, inputs, threshold=threshold, precision=chosen, seed=seed)
    except nacelle.CheckError as error:
        _print(error.report, as_json=json)
        raise Answer from None
    _print(report, as_json=json)


def _tell_without_onnxruntime(original: Path) -> None:
    if find_spec("onnxruntime") is None:
        need("onnx", f"{original} is run with the package onnxruntime, or read with")
        output.note(f"onnxruntime is not installed: {original} is run as TorchScript that is made of it")


def _described(program: Any) -> list[Input]:
    """The program's inputs, by its engines."""
    import torch_nacelle as nacelle

    inputs = []
    for argument in nacelle.arguments(program):
        if not argument.required:
            continue
        if argument.input is None:
            tensors_of([], program, 0)  # says why, and what to give
            continue
        inputs.append(argument.input)
    return inputs


def _print(report: CheckReport, *, as_json: bool) -> None:
    if as_json:
        output.print_json(_facts(report))
        return
    output.stdout().print(str(report), soft_wrap=True)


def _facts(report: CheckReport) -> dict[str, Any]:
    return {
        "passed": report.passed,
        "precision": report.precision,
        "threshold": report.threshold,
        "notes": list(report.notes),
        "outputs": [
            {
                "case": one.case,
                "input_shapes": [list(shape) for shape in one.input_shapes],
                "output": one.output,
                "relative_error": one.comparison.error if math.isfinite(one.comparison.error) else None,
                "problem": one.comparison.problem,
                "passed": one.comparison.within(report.threshold),
            }
            for one in report.outputs
        ],
    }


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("check")(check)
