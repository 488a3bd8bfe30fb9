"""Finds faces with three engines in one TorchScript program. Run it with `./bazelw run //examples/faces`."""

import os
from pathlib import Path
from typing import Annotated

import torch
import typer
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor

import torch_nacelle as nacelle
from examples.common.backend import Backend, device_of
from examples.common.fresh_process import FreshProcessError, FreshRun, run_in_fresh_process
from examples.common.terminal import engine_table, largest_difference, make_console, step, user_path
from examples.faces.data import ASTRONAUT, WEIGHTS
from examples.faces.detector import WINDOW, FaceDetector, load_detector
from examples.faces.picture import PictureError, draw_faces, read_picture, to_tensor
from examples.faces.program import compile_detector

LANDMARKS = ("left eye", "right eye", "nose", "mouth, left", "mouth, right")

app = typer.Typer(add_completion=False)


@app.command()
def main(
    image: Annotated[
        Path | None, typer.Option(help="The picture to look for faces in.", show_default="a photo of an astronaut")
    ] = None,
    output: Annotated[
        Path, typer.Option(help="The folder for faces.ts and for the picture; made if it is not there.")
    ] = Path(),
    backend: Annotated[
        Backend, typer.Option(help="What builds and runs the engines; reference: on the CPU.")
    ] = "reference",
    min_face: Annotated[float, typer.Option(min=WINDOW, help="Side of the smallest face to find, in pixels.")] = 20.0,
    weights: Annotated[
        Path | None,
        typer.Option(help="The folder of pnet.pt, rnet.pt and onet.pt.", show_default="those that the build fetched"),
    ] = None,
) -> None:
    """Build a face detector with three engines, save it as one file, and run that file in a fresh process.

    P-Net proposes places of faces over an image pyramid, R-Net refines them, O-Net places the landmarks. Each is an
    engine; pyramid, boxes, suppression and crops are TorchScript. A picture without a face is no error.
    """
    console = make_console()
    try:
        _run(console, image, user_path(output), backend, min_face, weights)
    except PictureError as error:
        raise typer.BadParameter(str(error), param_hint="--image") from error
    except (nacelle.Error, FreshProcessError, OSError) as error:
        Console(stderr=True).print("[red]error:[/red]", end=" ")
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _run(
    console: Console, image: Path | None, output: Path, backend: Backend, min_face: float, weights: Path | None
) -> None:
    image = _fetched(ASTRONAUT, "--image") if image is None else user_path(image)
    weights = _fetched(WEIGHTS, "--weights") if weights is None else user_path(weights)
    picture = read_picture(image)
    detector = load_detector(weights, min_face)
    output.mkdir(parents=True, exist_ok=True)
    program = output / "faces.ts"
    with step(console, f"Build three engines ({backend}), save {program.name}"):
        compile_detector(detector, backend).save(str(program))
    device = device_of(backend)
    pixels = to_tensor(picture)
    with step(console, "Load and run it in a fresh process, which does not know the model's code"):
        run = run_in_fresh_process(program, [pixels], device)
    with step(console, "Run the same detector in eager PyTorch"):
        eager = _run_eager(detector, pixels, device)
    _report(console, image, program, run, eager)
    _save_drawing(console, output / f"{image.stem}_faces.png", picture, run.outputs)


def _fetched(path: Path, option: str) -> Path:
    if not path.exists():
        raise typer.BadParameter("needed if the program is not started by Bazel", param_hint=option)
    return path


def _run_eager(detector: FaceDetector, pixels: Tensor, device: str) -> list[Tensor]:
    with torch.inference_mode():
        return [output.cpu() for output in detector.to(device)(pixels.to(device))]


def _report(console: Console, image: Path, program: Path, run: FreshRun, eager: list[Tensor]) -> None:
    console.print(engine_table(program))
    boxes, landmarks, scores = run.outputs
    if boxes.size(0) == 0:
        console.print(f"No face found in {image.name}.")
    else:
        console.print(_face_table(image, boxes, landmarks, scores))
    if boxes.size(0) != eager[0].size(0):
        console.print(f"[yellow]Eager PyTorch found {eager[0].size(0)} faces, the engines {boxes.size(0)}.[/yellow]")
    else:
        console.print(f"Largest difference to eager PyTorch: {largest_difference(run.outputs, eager):.3g}")
    console.print(f"Fresh process: loaded in {run.load_seconds:.2f} s, first run {run.run_seconds:.2f} s")


def _face_table(image: Path, boxes: Tensor, landmarks: Tensor, scores: Tensor) -> Table:
    table = Table(title=f"Faces in {image.name}, in pixels", title_justify="left", show_lines=True)
    for column in ("score", "box", "landmarks"):
        table.add_column(column)
    for box, points, score in zip(boxes.tolist(), landmarks.tolist(), scores.tolist(), strict=True):
        left, top, right, bottom = box
        places = [f"{name:12} {x:7.1f}, {y:6.1f}" for name, (x, y) in zip(LANDMARKS, points, strict=True)]
        edges = f"left   {left:7.1f}\ntop    {top:7.1f}\nright  {right:7.1f}\nbottom {bottom:7.1f}"
        table.add_row(f"{score:.4f}", edges, "\n".join(places))
    return table


def _save_drawing(console: Console, path: Path, picture: Image.Image, faces: list[Tensor]) -> None:
    draw_faces(picture, *faces).save(path)
    # Not through rich, which would break a long path over lines.
    typer.echo(f"Picture: {os.path.normpath(path)}")


if __name__ == "__main__":
    app()
