"""One command: builds the package, runs it from Python and from C++, and compares both with eager PyTorch."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import torch
import typer
from PIL import Image, ImageOps
from rich.console import Console
from rich.table import Table
from torch import Tensor

import torch_nacelle as nacelle
from examples.common.backend import Backend, device_of
from examples.common.terminal import largest_difference, make_console, size, step, user_path
from examples.detector.model import SIDE, Detector, load_detector
from examples.detector.program import save_package
from examples.faces.data import ASTRONAUT, WEIGHTS
from examples.faces.picture import PictureError, draw_faces, read_picture, to_tensor

_HERE = Path(__file__).parent
RUN_IN_PYTHON = [sys.executable, str(_HERE / "run_package.py")]
RUN_IN_CPP = str(_HERE.parent / "cpp" / "run_package")

app = typer.Typer(add_completion=False)


class RunError(Exception):
    """A process that runs the package failed; the message holds its output."""


@app.command()
def main(
    image: Annotated[
        Path | None, typer.Option(help="The picture to look for faces in.", show_default="a photo of an astronaut")
    ] = None,
    output: Annotated[
        Path, typer.Option(help="The folder for detector.pt2 and for the picture; made if it is not there.")
    ] = Path(),
    backend: Annotated[
        Backend, typer.Option(help="What builds and runs the engines; reference: on the CPU.")
    ] = "reference",
) -> None:
    """Build a face detector with two engines as an AOTInductor package, and run it from Python and from C++.

    The package holds everything from the uint8 image to the boxes: image pyramid, P-Net and O-Net as engines, and what
    sorts and suppresses boxes. Pictures are scaled to 512 x 512 pixels. Needs a C++ compiler, as AOTInductor does.
    """
    console = make_console()
    try:
        _run(console, ASTRONAUT if image is None else user_path(image), user_path(output), backend)
    except PictureError as error:
        raise typer.BadParameter(str(error), param_hint="--image") from error
    except (nacelle.Error, RunError, OSError) as error:
        Console(stderr=True).print("[red]error:[/red]", end=" ")
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _run(console: Console, image: Path, output: Path, backend: Backend) -> None:
    picture = ImageOps.pad(read_picture(image), (SIDE, SIDE))
    detector = load_detector(WEIGHTS)
    output.mkdir(parents=True, exist_ok=True)
    package = output / "detector.pt2"
    with step(console, f"Build two engines ({backend}), compile the rest, save {package.name}"):
        save_package(detector, package, backend)
    console.print(f"{package.name}: {size(package.stat().st_size)}")
    pixels = to_tensor(picture)
    with step(console, "Run it in a fresh Python process, which does not know the model's code"):
        python = _run_package(RUN_IN_PYTHON, [], package, pixels)
    with step(console, "Run it in a C++ program, which knows no Python"):
        cpp = _run_package([RUN_IN_CPP], ["--input", "--output"], package, pixels)
    with step(console, "Run the same detector in eager PyTorch"):
        eager = _run_eager(detector, pixels, device_of(backend))
    _report(console, image, python)
    console.print(f"Largest difference of Python to eager PyTorch: {largest_difference(python, eager):.3g}")
    console.print(f"Largest difference of C++ to Python: {largest_difference(cpp, python):.3g}")
    boxes, scores = _faces(python)
    drawn = output / f"{image.stem}_detector.png"
    _draw(picture, boxes, scores).save(drawn)
    # Not through rich, which would break a long path over lines.
    typer.echo(f"Picture: {os.path.normpath(drawn)}")


def _run_package(command: list[str], options: list[str], package: Path, pixels: Tensor) -> list[Tensor]:
    """Runs a program that takes a package, a file with its input and one for its outputs."""
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / name) for name in ("image.pt", "outputs.pt")]
        torch.save(pixels, files[0])
        arguments = [part for pair in zip(options, files, strict=True) for part in pair] if options else files
        # The same packages as here, wherever the caller's launcher put them.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        full = [*command, str(package), *arguments]
        process = subprocess.run(full, env=environment, capture_output=True, text=True, check=False)
        if process.returncode != 0:
            raise RunError(f"{Path(command[-1]).name} failed (exit status {process.returncode}):\n{process.stderr}")
        return [output.cpu() for output in torch.load(files[1], weights_only=True)]


def _run_eager(detector: Detector, pixels: Tensor, device: str) -> list[Tensor]:
    with torch.inference_mode():
        return [output.cpu() for output in detector.to(device)(pixels.to(device))]


def _faces(outputs: list[Tensor]) -> tuple[Tensor, Tensor]:
    boxes, scores = outputs
    return boxes[scores > 0], scores[scores > 0]


def _report(console: Console, image: Path, outputs: list[Tensor]) -> None:
    boxes, scores = _faces(outputs)
    if boxes.size(0) == 0:
        console.print(f"No face found in {image.name}.")
        return
    table = Table(title=f"Faces in {image.name}, in pixels of {SIDE} x {SIDE}", title_justify="left")
    for column in ("score", "left", "top", "right", "bottom"):
        table.add_column(column, justify="right")
    for box, score in zip(boxes.tolist(), scores.tolist(), strict=True):
        table.add_row(f"{score:.4f}", *(f"{edge:.1f}" for edge in box))
    console.print(table)


def _draw(picture: Image.Image, boxes: Tensor, scores: Tensor) -> Image.Image:
    return draw_faces(picture, boxes, boxes.new_zeros([boxes.size(0), 0, 2]), scores)


if __name__ == "__main__":
    app()
