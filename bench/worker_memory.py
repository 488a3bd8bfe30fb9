"""Host memory of several workers that have one program: bazel run //bench:worker_memory.

Makes programs with 100 MB of weights, in an engine of the reference engine or around a small one, and has several
processes load and call each at once. Prints the memory that one worker gains by it: private memory is its own;
proportional memory counts a page that several processes have once for all of them. In the rows of forked workers one
process loads the program and forks, and a worker only calls it.
"""

import multiprocessing
import tempfile
from collections.abc import Callable
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from statistics import median
from threading import Barrier
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table

import torch_nacelle as nacelle

MIB = 1 << 20
Held = tuple[int, int]


class Weighted(torch.nn.Module):
    """A matrix of `size` bytes, and an engine around which it lies."""

    def __init__(self, size: int) -> None:
        """Makes a matrix of 1,000 columns."""
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(size // 4000, 1000), requires_grad=False)
        self.engine = torch.nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps [n, 1000] to [n, rows of the matrix]."""
        outputs: torch.Tensor = torch.nn.functional.linear(self.engine(x), self.weight)
        return outputs


def held() -> Held:
    """This process's memory in bytes: private, proportional."""
    lines = (line.split() for line in Path("/proc/self/smaps_rollup").read_text().splitlines())
    sizes = {line[0]: int(line[1]) * 1024 for line in lines if line[-1] == "kB"}
    return sizes["Private_Dirty:"] + sizes["Private_Clean:"], sizes["Pss:"]


def use(program: Any) -> None:
    """Calls the program a few times."""
    with torch.inference_mode():
        for _ in range(3):
            nacelle.call(program, [torch.ones(1, 1000)])


def loading_worker(path: Path, steps: Barrier, results: "SimpleQueue[Held]") -> None:
    """Loads and calls the program while others do, and tells its gain."""
    steps.wait()
    before = held()
    program = nacelle.load(path)
    use(program)
    steps.wait()
    results.put(_gain(before))
    steps.wait()


def forking_server(path: Path, steps: Barrier, results: "SimpleQueue[Held]", workers: int) -> None:
    """Loads and calls the program, and forks workers that call it."""
    program = nacelle.load(path)
    use(program)
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=forked_worker, args=(program, steps, results)) for _ in range(workers)]
    for child in children:
        child.start()
    for child in children:
        child.join()


def forked_worker(program: Any, steps: Barrier, results: "SimpleQueue[Held]") -> None:
    """Calls the program that its parent loaded, and tells its gain: all that is proportional, since it began shared."""
    steps.wait()
    before = held()
    use(program)
    steps.wait()
    results.put(_gain(before))
    steps.wait()


def _gain(before: Held) -> Held:
    private, proportional = (after - former for after, former in zip(held(), before, strict=True))
    return private, proportional


def gains(path: Path, workers: int, fork: bool) -> Held:
    """The medians of the workers' gains."""
    context = multiprocessing.get_context("spawn")
    steps, results = context.Barrier(workers), context.SimpleQueue()
    if fork:
        processes = [context.Process(target=forking_server, args=(path, steps, results, workers))]
    else:
        processes = [context.Process(target=loading_worker, args=(path, steps, results)) for _ in range(workers)]
    for process in processes:
        process.start()
    found = [results.get() for _ in range(workers)]
    for process in processes:
        process.join()
    private, proportional = (int(median(one)) for one in zip(*found, strict=True))
    return private, proportional


def make_programs(folder: Path, size: int) -> dict[str, Path]:
    """Writes programs of several kinds, by their descriptions."""
    model = Weighted(size).eval()
    batch = nacelle.Input(min=(1, 1000), opt=(1, 1000), max=(4, 1000))
    engine = nacelle.compile(model, [batch], backend="reference")
    around = nacelle.compile(model, {"engine": [batch]}, backend="reference", container="module")
    makers: dict[str, Callable[[Path], None]] = {
        "TorchScript, one engine": lambda path: nacelle.save(engine, path.with_suffix(".ts")),
        "exported, one engine": lambda path: nacelle.save(engine, path.with_suffix(".pt2")),
        "exported, tensors around an engine": lambda path: nacelle.save(
            around, path.with_suffix(".pt2"), inputs=[batch]
        ),
        "AOTInductor, tensors around an engine": lambda path: nacelle.save(
            around, path.with_suffix(".pt2"), inputs=[batch], format="aotinductor"
        ),
    }
    made = {}
    for number, (kind, make) in enumerate(makers.items()):
        make(folder / f"{number}")
        (made[kind],) = folder.glob(f"{number}.*")
    return made


def main(
    size: Annotated[int, typer.Option(help="Size of the weights in MiB.", min=1)] = 100,
    workers: Annotated[int, typer.Option(help="Number of processes.", min=1)] = 4,
) -> None:
    """Prints what each of several workers gains by loading one program."""
    table = Table("program", "workers", "private, MiB", "proportional, MiB")
    with tempfile.TemporaryDirectory() as folder:
        for kind, path in make_programs(Path(folder), size * MIB).items():
            for fork in (False, True):
                private, proportional = gains(path, workers, fork)
                how = f"{workers}, forked" if fork else f"{workers}, loading"
                table.add_row(kind, how, f"{private / MIB:.0f}", f"{proportional / MIB:.0f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
