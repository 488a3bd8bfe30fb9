"""A network for pictures behind Ray Serve, and clients of it.

Run it with `./bazelw run --config=ray //examples/serving:ray_server`.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import toolchains.ray.path  # noqa: F401 - before Ray

# isort: split
import ray
import torch
import typer
from ray import serve
from rich.console import Console
from torch import Tensor

import torch_nacelle as nacelle
from examples.common.backend import Backend
from examples.common.terminal import make_console, step
from examples.serving.figures import Figures, WrongAnswerError, header, measure
from examples.serving.program import backend_here, made_up_pictures, make_program
from examples.serving.ray_cluster import local_ray
from torch_nacelle.ray import deployment

app = typer.Typer(add_completion=False)


@app.command()
def main(
    backend: Annotated[
        Backend | None, typer.Option(help="What runs the engine. Default: TensorRT if there is a GPU, else the CPU.")
    ] = None,
    clients: Annotated[int, typer.Option(min=1, help="How many clients send requests at once.")] = 8,
    seconds: Annotated[float, typer.Option(min=0.0, help="How long they send, each time.")] = 5.0,
) -> None:
    """Serve a network for pictures with Ray Serve, and measure the requests of one client and of several at once.

    The clients are threads of this process. Every answer is compared with what the program computes here.
    """
    console = make_console()
    chosen = backend or backend_here()
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "pictures.ts"
        try:
            with step(console, f"Make the program ({chosen})"):
                make_program(program, chosen)
            rows = _measured(console, program, clients, seconds, gpu=chosen != "reference")
        except (nacelle.Error, ray.exceptions.RayError, WrongAnswerError, OSError) as error:
            Console(stderr=True).print("[red]error:[/red]", end=" ")
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from error
    typer.echo("\n".join([header(), *rows]))


def _measured(console: Console, program: Path, clients: int, seconds: float, *, gpu: bool) -> list[str]:
    """Serves the program with one replica; the rows of the table."""
    pictures = made_up_pictures(16).split(1)
    loaded = nacelle.load(program)
    device = nacelle.device_of(loaded)
    with torch.inference_mode():
        expected = [[loaded(picture.to(device)).cpu()] for picture in pictures]
    with local_ray():
        with step(console, "Start Ray Serve"):
            serve.start(http_options={"location": "NoServer"})
            served = deployment(ray_actor_options={"num_gpus": 1} if gpu else {"num_cpus": 0.25}).bind(program)
            handle = serve.run(served, route_prefix=None)
        try:
            counts = sorted({1, clients})
            return [_figures(handle, pictures, expected, count, seconds).row("Ray Serve") for count in counts]
        finally:
            serve.shutdown()


def _figures(
    handle: Any, pictures: Sequence[Tensor], expected: Sequence[Sequence[Tensor]], clients: int, seconds: float
) -> Figures:
    def send(tensors: Sequence[Tensor]) -> list[Tensor]:
        answer = handle.remote({"images": tensors[0].numpy()}).result()
        return [torch.from_numpy(answer["scores"].copy())]

    before = handle.batch_sizes.remote().result()
    figures = measure(send, [[picture] for picture in pictures], clients, seconds, expected)
    after = handle.batch_sizes.remote().result()
    calls = {size: count - before.get(size, 0) for size, count in after.items()}
    return replace(figures, batch_sizes={size: count for size, count in calls.items() if count > 0})


if __name__ == "__main__":
    app()
