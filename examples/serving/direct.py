"""Direct calls of the shared program, measured. Run it with `./bazelw run //examples/serving:direct`."""

import multiprocessing
import threading
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

import torch_nacelle as nacelle
from examples.common.backend import Backend, device_of
from examples.serving.figures import Figures, header, measure
from examples.serving.program import MAX_BATCH, backend_here, made_up_pictures, make_program

REQUESTS = 16
"""Number of different requests."""

app = typer.Typer(add_completion=False)


class Caller:
    """The program in this process, called from any thread with tensors in the host's memory."""

    def __init__(self, path: Path, device: str) -> None:
        """Loads the program and makes it ready."""
        self._program: Any = nacelle.load(path)
        self._device = torch.device(device)
        self._of_thread = threading.local()
        nacelle.warm_up(self._program)

    def send(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Calls the program, and returns its outputs when they are in the host's memory."""
        with torch.inference_mode():
            if self._device.type == "cpu":
                return [self._program(*tensors)]
            with torch.cuda.stream(self._stream()):
                outputs: Tensor = self._program(*(tensor.to(self._device, non_blocking=True) for tensor in tensors))
                return [outputs.cpu()]

    def _stream(self) -> torch.cuda.Stream:
        """The stream of this thread: calls on streams of their own run at once."""
        stream: torch.cuda.Stream | None = getattr(self._of_thread, "stream", None)
        if stream is None:
            stream = self._of_thread.stream = torch.cuda.Stream(self._device)
        return stream


def requests(pictures: int) -> list[list[Tensor]]:
    """Requests of so many pictures each."""
    return [[made_up_pictures(pictures, seed)] for seed in range(REQUESTS)]


def measure_threads(path: Path, backend: Backend, pictures: int, clients: int, seconds: float) -> Figures:
    """Clients that are threads of one process, which has the program once."""
    sent = requests(pictures)
    caller = Caller(path, device_of(backend))
    expected = [caller.send(one) for one in sent]
    return _with_batches(measure(caller.send, sent, clients, seconds, expected), pictures)


def measure_processes(path: Path, backend: Backend, pictures: int, clients: int, seconds: float) -> Figures:
    """Clients that are processes, each of which loads the program.

    Raises:
        RuntimeError: A process failed; its own words are on standard error.
    """
    context = multiprocessing.get_context("spawn")
    results: SimpleQueue[Figures] = context.SimpleQueue()
    steps = context.Barrier(clients)
    arguments = (path, backend, pictures, seconds, torch.get_num_threads(), steps, results)
    processes = [context.Process(target=_client_process, args=arguments) for _ in range(clients)]
    for process in processes:
        process.start()
    found: list[Figures] = []
    while len(found) < clients:
        if not results.empty():
            found.append(results.get())
        elif any(process.exitcode for process in processes):
            for process in processes:
                process.kill()
            raise RuntimeError("a process of the measurement failed")
        else:
            processes[0].join(0.05)
    for process in processes:
        process.join()
    return Figures.together(found)


def _client_process(
    path: Path,
    backend: Backend,
    pictures: int,
    seconds: float,
    threads: int,
    steps: threading.Barrier,
    results: "SimpleQueue[Figures]",
) -> None:
    torch.set_num_threads(threads)
    caller = Caller(path, device_of(backend))
    steps.wait()
    results.put(_with_batches(measure(caller.send, requests(pictures), 1, seconds), pictures))


def _with_batches(figures: Figures, pictures: int) -> Figures:
    """The figures of calls that each were one request."""
    return replace(figures, batch_sizes={pictures: len(figures.latencies)})


@app.command()
def main(
    seconds: Annotated[float, typer.Option(min=0.01, help="The time of each row.")] = 5.0,
    clients: Annotated[list[int] | None, typer.Option(min=1, help="Numbers of clients at once.")] = None,
    backend: Annotated[
        Backend | None, typer.Option(help="The engine's library; left out, TensorRT if there is a GPU.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch for one call, on the CPU.")] = 1,
) -> None:
    """Measure direct calls, and print rows of the table in docs/guide/serving.md.

    Requests are one picture of 3 x 64 x 64, or eight. Every answer of threads is compared with that of a call alone.
    """
    chosen = backend or backend_here()
    torch.set_num_threads(threads)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "pictures.ts"
        make_program(path, chosen)
        typer.echo(header())
        for count in clients or [1, 4, 16]:
            typer.echo(measure_threads(path, chosen, 1, count, seconds).row("direct calls, threads of one process"))
        for count in clients or [1, 4]:
            typer.echo(measure_processes(path, chosen, 1, count, seconds).row("direct calls, a process for each"))
        typer.echo(measure_threads(path, chosen, MAX_BATCH, 1, seconds).row("direct calls of eight pictures"))


if __name__ == "__main__":
    app()
