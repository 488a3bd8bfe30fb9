"""A network over a folder of pictures, in several processes of Ray.

Run it with `./bazelw run --config=ray //examples/serving:ray_batch`, or, where Ray and Nacelle are installed, as a
program.
"""

import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import toolchains.ray.path  # noqa: F401 - before Ray

# isort: split
import numpy as np
import ray
import torch
import typer
from PIL import Image
from rich.console import Console
from rich.table import Table

import torch_nacelle as nacelle
from examples.common.backend import Backend
from examples.common.terminal import make_console, step, user_path
from examples.serving.program import CLASSES, SIDE, backend_here, make_program
from examples.serving.ray_cluster import local_ray
from torch_nacelle.ray import BatchProgram

app = typer.Typer(add_completion=False)


def write_pictures(folder: Path, count: int, seed: int = 2) -> None:
    """Writes made-up pictures, PNG files of colours that run from corner to corner, the same ones for a seed."""
    random = np.random.default_rng(seed)
    for number in range(count):
        corners = random.integers(0, 256, (2, 2, 3)).astype(np.uint8)
        picture = Image.fromarray(corners).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        picture.save(folder / f"{number:05}.png")


def prepared(batch: dict[str, Any]) -> dict[str, Any]:
    """Turns pictures [n, height, width, 3], bytes, into the network's input [n, 3, height, width], float32."""
    images = batch.pop("image").astype(np.float32) / 127.5 - 1
    return {**batch, "images": images.transpose(0, 3, 1, 2)}


def classified(pictures: Path, program: Path, actors: int, *, gpu: bool) -> Any:
    """Computes the scores of each picture of a folder.

    Args:
        pictures: The folder.
        program: The program of examples/serving/program.py.
        actors: Number of processes that hold the program.
        gpu: True gives each a GPU.

    Returns:
        A Ray dataset with the columns "path" and "scores".
    """
    resources = {"num_gpus": 1} if gpu else {"num_cpus": 0.25}
    pool = ray.data.ActorPoolStrategy(size=actors)
    images = ray.data.read_images(str(pictures), size=(SIDE, SIDE), mode="RGB", include_paths=True)
    return images.map_batches(prepared).map_batches(
        BatchProgram, fn_constructor_args=[program], batch_size=32, compute=pool, **resources
    )


def largest_difference(rows: list[dict[str, Any]], program: Path) -> float:
    """The largest difference between scores of rows and those that the program computes here, a picture at a time."""
    loaded = nacelle.load(program)
    device = nacelle.device_of(loaded)
    largest = 0.0
    for row in rows:
        picture = np.asarray(Image.open(row["path"]))[np.newaxis]
        images = torch.from_numpy(prepared({"image": picture})["images"].copy()).to(device)
        scores = loaded(images).cpu()[0]
        largest = max(largest, float((scores - torch.from_numpy(np.array(row["scores"]))).abs().max()))
    return largest


@app.command()
def main(
    pictures: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="A folder of pictures. Default: made-up ones.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many pictures to make up.")] = 200,
    actors: Annotated[int, typer.Option(min=1, help="How many processes hold the program, each on its GPU.")] = 2,
    backend: Annotated[
        Backend | None, typer.Option(help="What runs the engine. Default: TensorRT if there is a GPU, else the CPU.")
    ] = None,
) -> None:
    """Classify a folder of pictures with Ray Data, and compare each result with the program's own."""
    console = make_console()
    chosen = backend or backend_here()
    with tempfile.TemporaryDirectory() as folder:
        try:
            source = Path(folder) / "pictures" if pictures is None else user_path(pictures)
            if pictures is None:
                source.mkdir()
                with step(console, f"Make {count} pictures"):
                    write_pictures(source, count)
            program = Path(folder) / "pictures.ts"
            with step(console, f"Make the program ({chosen})"):
                make_program(program, chosen)
            with local_ray(), step(console, f"Classify with {actors} actors", shows_itself=True):
                start = time.perf_counter()
                rows = classified(source, program, actors, gpu=chosen != "reference").take_all()
                seconds = time.perf_counter() - start
            difference = largest_difference(rows, program)
        except (nacelle.Error, ray.exceptions.RayError, OSError) as error:
            Console(stderr=True).print("[red]error:[/red]", end=" ")
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from error
    _show(console, rows)
    typer.echo(f"Pictures: {len(rows)}, {len(rows) / seconds:.0f} a second with the start of the actors")
    typer.echo(f"Largest difference to the program called directly: {difference:.1e}")


def _show(console: Console, rows: list[dict[str, Any]]) -> None:
    table = Table(title="Pictures by class", title_justify="left")
    table.add_column("class", justify="right")
    table.add_column("pictures", justify="right")
    classes = [int(row["scores"].argmax()) for row in rows]
    for number in range(CLASSES):
        if number in classes:
            table.add_row(str(number), str(classes.count(number)))
    console.print(table)


if __name__ == "__main__":
    app()
