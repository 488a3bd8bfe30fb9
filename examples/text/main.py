"""Reads text in a picture with engines that are made from ONNX files. Run it with `./bazelw run //examples/text`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer
from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from torch import Tensor

import torch_nacelle as nacelle
from examples.common.backend import Backend, device_of
from examples.common.fresh_process import FreshProcessError, FreshRun, run_in_fresh_process
from examples.common.onnxruntime_model import OnnxRuntimeModel
from examples.common.terminal import engine_table, largest_difference, make_console, step, user_path
from examples.faces.picture import PictureError, read_picture, to_tensor
from examples.text.characters import read_characters, texts
from examples.text.data import DETECTION, MODELS, RECOGNITION
from examples.text.picture import draw_texts, sample
from examples.text.program import compile_reader
from examples.text.reader import TextReader

app = typer.Typer(add_completion=False)


@app.command()
def main(
    image: Annotated[
        Path | None, typer.Option(help="The picture to read.", show_default="one that is drawn here")
    ] = None,
    output: Annotated[
        Path, typer.Option(help="The folder for text.ts and for the picture; made if it is not there.")
    ] = Path(),
    backend: Annotated[
        Backend, typer.Option(help="What builds and runs the engines; reference: on the CPU.")
    ] = "reference",
    models: Annotated[
        Path | None, typer.Option(help="The folder of the two ONNX files.", show_default="the one that the build made")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="A folder that keeps engines and what TensorRT measured for later runs.")
    ] = None,
) -> None:
    """Build a reader of text from two ONNX files, save it as one file, and run that file in a fresh process.

    One model finds lines of text, the other reads a line. Each is an engine; regions, boxes, crops and the way from
    steps to characters are TorchScript. A picture without text is no error.
    """
    console = make_console()
    try:
        _run(console, image, user_path(output), backend, models, None if cache is None else user_path(cache))
    except PictureError as error:
        raise typer.BadParameter(str(error), param_hint="--image") from error
    except (nacelle.Error, FreshProcessError, OSError, ValueError) as error:
        Console(stderr=True).print("[red]error:[/red]", end=" ")
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _run(
    console: Console, image: Path | None, output: Path, backend: Backend, models: Path | None, cache: Path | None
) -> None:
    picture = sample() if image is None else read_picture(user_path(image))
    models = _fetched(MODELS, "--models") if models is None else user_path(models)
    characters = read_characters(models / RECOGNITION)
    output.mkdir(parents=True, exist_ok=True)
    program = output / "text.ts"
    if backend == "tensorrt":
        console.print("TensorRT measures many kernels for each of some hundred layers: this takes minutes.")
    text = f"Build two engines from ONNX files ({backend}), save {program.name}"
    with step(console, text, shows_itself=backend != "reference"):
        compile_reader(models, backend, cache).save(str(program))
    pixels = to_tensor(picture)
    with step(console, "Load and run it in a fresh process, which does not know the models"):
        run = run_in_fresh_process(program, [pixels], device_of(backend))
    with step(console, "Run the same reader with onnxruntime"):
        other = _run_onnxruntime(models, pixels)
    boxes, codes, _ = run.outputs
    lines = texts(codes, characters)
    console.print(engine_table(program))
    _report(console, run, lines, other)
    _save_drawing(output / f"{'sample' if image is None else image.stem}_text.png", picture, boxes, lines)


def _fetched(path: Path, option: str) -> Path:
    if not path.exists():
        raise typer.BadParameter("needed if the program is not started by Bazel", param_hint=option)
    return path


def _run_onnxruntime(models: Path, pixels: Tensor) -> list[Tensor] | None:
    try:
        reader = TextReader(OnnxRuntimeModel(models / DETECTION), OnnxRuntimeModel(models / RECOGNITION))
    except ImportError:
        return None
    with torch.inference_mode():
        return list(reader(pixels))


def _report(console: Console, run: FreshRun, lines: Sequence[str], other: list[Tensor] | None) -> None:
    boxes, codes, scores = run.outputs
    if lines:
        table = Table(title="Text, in pixels", title_justify="left")
        for column in ("score", "left", "top", "right", "bottom"):
            table.add_column(column, justify="right")
        table.add_column("text", overflow="fold")
        for box, line, score in zip(boxes.tolist(), lines, scores.tolist(), strict=True):
            table.add_row(f"{score:.4f}", *(f"{edge:.1f}" for edge in box), escape(line))
        console.print(table)
    else:
        console.print("No text found.")
    if other is None:
        console.print("[yellow]onnxruntime is not installed: there is nothing to compare with.[/yellow]")
    elif other[1].shape == codes.shape and torch.equal(other[1], codes):
        difference = largest_difference([boxes, scores], [other[0], other[2]])
        console.print(f"Largest difference to onnxruntime: {difference:.3g}")
    else:
        console.print(f"[yellow]With onnxruntime the reader finds {other[0].size(0)} lines, or other text.[/yellow]")
    console.print(f"Fresh process: loaded in {run.load_seconds:.2f} s, first run {run.run_seconds:.2f} s")


def _save_drawing(path: Path, picture: Image.Image, boxes: Tensor, lines: Sequence[str]) -> None:
    draw_texts(picture, boxes, lines).save(path)
    # Not through rich, which would break a long path over lines.
    typer.echo(f"Picture: {os.path.normpath(path)}")


if __name__ == "__main__":
    app()
