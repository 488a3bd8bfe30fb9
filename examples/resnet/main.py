"""ResNet-18 as one engine in one file. Run it with `./bazelw run //examples/resnet`."""

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

import torch_nacelle as nacelle
from examples.common.backend import Backend, build_options, device_of
from examples.common.fresh_process import FreshProcessError, run_in_fresh_process
from examples.common.terminal import engine_table, largest_difference, make_console, step, user_path
from examples.resnet.network import seeded_resnet18

MAX_BATCH = 8

app = typer.Typer(add_completion=False)


@app.command()
def main(
    output: Annotated[Path, typer.Option(help="The folder for resnet.ts; made if it is not there.")] = Path(),
    backend: Annotated[
        Backend, typer.Option(help="What builds and runs the engine; reference: on the CPU.")
    ] = "reference",
    batch: Annotated[int, typer.Option(min=1, max=MAX_BATCH, help="How many images to run.")] = 3,
    side: Annotated[int, typer.Option(min=32, max=1024, help="Height and width of the images, fixed.")] = 224,
) -> None:
    """Build a ResNet-18 engine for batches of 1 to 8 images, save it as one file, run that file in a fresh process.

    The weights are seeded, not trained: the numbers mean nothing, but they must be those of eager PyTorch.
    """
    console = make_console()
    try:
        _run(console, user_path(output), backend, batch, side)
    except (nacelle.Error, FreshProcessError, OSError) as error:
        Console(stderr=True).print("[red]error:[/red]", end=" ")
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _run(console: Console, output: Path, backend: Backend, batch: int, side: int) -> None:
    network = seeded_resnet18()
    images = torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(1))
    shape = (3, side, side)
    images_input = nacelle.Input(min=(1, *shape), opt=(4, *shape), max=(MAX_BATCH, *shape), name="images")
    output.mkdir(parents=True, exist_ok=True)
    program = output / "resnet.ts"
    with step(console, f"Build an engine ({backend})"):
        plan = nacelle.build_engine(network, [images_input], backend=backend, **build_options(backend))
    with step(console, f"Embed it, save {program.name}"):
        nacelle.embed(plan, name="ResNet").save(str(program))
    device = device_of(backend)
    with step(console, "Load and run it in a fresh process, which does not know the model's code"):
        run = run_in_fresh_process(program, [images], device)
    with step(console, "Run the same network in eager PyTorch"), torch.inference_mode():
        eager = network.to(device)(images.to(device)).cpu()
    console.print(engine_table(program))
    console.print(
        "The program's graph, as loaded:", run.graph.rstrip(), sep="\n", markup=False, highlight=False, soft_wrap=True
    )
    console.print(f"Outputs: {list(eager.shape)}, from {float(eager.min()):.3g} to {float(eager.max()):.3g}")
    console.print(f"Largest difference to eager PyTorch: {largest_difference(run.outputs, [eager]):.3g}")
    console.print(f"Fresh process: loaded in {run.load_seconds:.2f} s, first run {run.run_seconds:.2f} s")
    typer.echo(f"Program: {program}")


if __name__ == "__main__":
    app()
