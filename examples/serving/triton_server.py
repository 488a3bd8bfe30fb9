"""A network for pictures in a Triton server, and clients of it.

Run it with `./bazelw run //examples/serving:triton_server`.
"""

import tempfile
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from torch import Tensor

import torch_nacelle as nacelle
from examples.common.backend import Backend
from examples.common.terminal import make_console, step
from examples.serving.figures import Figures, WrongAnswerError, header, measure
from examples.serving.program import backend_here, made_up_pictures, make_program
from examples.serving.triton_client import RequestError, TritonClient
from examples.serving.triton_process import TritonError, TritonProcess
from torch_nacelle.triton import write_repository

MODEL = "pictures"

app = typer.Typer(add_completion=False)


@app.command()
def main(
    backend: Annotated[
        Backend | None, typer.Option(help="What runs the engine. Default: TensorRT if there is a GPU, else the CPU.")
    ] = None,
    clients: Annotated[int, typer.Option(min=1, help="How many clients send requests at once.")] = 8,
    seconds: Annotated[float, typer.Option(min=0.0, help="How long they send, each time.")] = 5.0,
    instances: Annotated[int, typer.Option(min=1, help="How many processes serve the program.")] = 1,
    queue_delay: Annotated[
        int, typer.Option(min=0, metavar="MICROSECONDS", help="How long a request waits for others to make a batch.")
    ] = 500,
) -> None:
    """Serve a network for pictures with Triton, and measure the requests of one client and of several at once.

    The server is that of the wheel nvidia-pytriton. Every answer is compared with what the program computes here.
    """
    console = make_console()
    try:
        _run(console, backend or backend_here(), clients, seconds, instances, queue_delay)
    except (nacelle.Error, TritonError, RequestError, WrongAnswerError, OSError) as error:
        Console(stderr=True).print("[red]error:[/red]", end=" ")
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _run(
    console: Console,
    backend: Backend,
    clients: int,
    seconds: float,
    instances: int,
    queue_delay: int,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        program, models, files = (Path(folder) / name for name in (f"{MODEL}.ts", "models", "server"))
        files.mkdir()
        with step(console, f"Make the program ({backend})"):
            make_program(program, backend)
        with step(console, "Write the model repository"):
            write_repository(program, models, instances=instances, queue_delay=queue_delay)
        pictures = made_up_pictures(16).split(1)
        loaded = nacelle.load(program)
        device = nacelle.device_of(loaded)
        expected = [[loaded(picture.to(device)).cpu()] for picture in pictures]
        server = TritonProcess(models, files)
        with step(console, "Start tritonserver"):
            server.start()
        with server:
            figures = [_measured(server, pictures, expected, count, seconds) for count in sorted({1, clients})]
        way = f"Triton, {instances} instance" + ("s" if instances > 1 else "")
        typer.echo("\n".join([header(), *(one.row(way) for one in figures)]))


def _measured(
    server: TritonProcess, pictures: Sequence[Tensor], expected: Sequence[Sequence[Tensor]], count: int, seconds: float
) -> Figures:
    """Measures `count` clients, with the batches that the server made of their requests."""
    own = threading.local()

    def send(tensors: Sequence[Tensor]) -> list[Tensor]:
        if not hasattr(own, "client"):
            own.client = TritonClient(server.address)
        return list(own.client.infer(MODEL, {"images": tensors[0]}).values())

    observer = TritonClient(server.address)
    before = observer.batch_sizes(MODEL)
    figures = measure(send, [[picture] for picture in pictures], count, seconds, expected)
    after = observer.batch_sizes(MODEL)
    observer.close()
    calls = {size: count - before.get(size, 0) for size, count in after.items()}
    return replace(figures, batch_sizes={size: count for size, count in calls.items() if count > 0})


if __name__ == "__main__":
    app()
