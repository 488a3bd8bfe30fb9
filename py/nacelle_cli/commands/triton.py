"""``nacelle triton`` writes a program as a model for Triton, NVIDIA's inference server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nacelle_cli.arguments.destinations import parse_or_folder
from nacelle_cli.arguments.tensors import torch_device
from nacelle_cli.commands.run import Device, ProgramFile, calling
from nacelle_cli.failures import wrong_usage
from nacelle_cli.render import output

BACKENDS = ("python", "pytorch")


def triton(
    file: ProgramFile,
    repository: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="REPOSITORY",
            help="The folder of models, as tritonserver's --model-repository; made if there is none.",
            parser=parse_or_folder,
        ),
    ],
    name: Annotated[str | None, typer.Option(help="The model's name. Default: the file's.")] = None,
    backend: Annotated[
        str,
        typer.Option(
            help="python: its Python must have torch_nacelle. pytorch: for TorchScript and AOTInductor packages; "
            "libtorch_nacelle.so must be preloaded."
        ),
    ] = "python",
    max_batch_size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="The largest batch that Triton makes of requests; 0: each request is a call of its own. Default: the "
            "largest that the optimization profiles allow.",
        ),
    ] = None,
    instances: Annotated[
        int, typer.Option(metavar="N", min=1, help="Instances, on each GPU if the program runs on GPUs.")
    ] = 1,
    queue_delay: Annotated[
        int, typer.Option(metavar="MICROSECONDS", min=0, help="How long a request waits for others to make a batch.")
    ] = 100,
    environment: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="For the Python backend: the virtual environment on the server that has torch_nacelle. Default: that "
            "of the first python3 in the server's PATH.",
        ),
    ] = None,
    device: Device = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a model of this name.")] = False,
    json: output.Json = False,
) -> None:
    """Write a program as a model of a Triton model repository: config.pbtxt, the program, and model.py.

    Names, data types and shapes, the batch sizes, dynamic batching and the warm-up come from the program and from the
    optimization profiles of its engines. The program is called with made-up inputs, to learn its outputs, so it must
    run on this machine.

    This runs the code of the file, as nacelle run does: give a file that you trust.

    Example: [bold]nacelle triton detector.ts -o models[/bold]

    Example: [bold]nacelle triton detector.ts -o models --backend pytorch --instances 2[/bold]
    """
    if backend not in BACKENDS:
        wrong_usage(f"--backend is one of {', '.join(BACKENDS)}; found {backend!r}")
    from torch_nacelle.triton import write_repository

    chosen: Any = backend
    with calling(file):
        folder = write_repository(
            file,
            repository,
            name=name,
            backend=chosen,
            max_batch_size=max_batch_size,
            instances=instances,
            queue_delay=queue_delay,
            environment=environment,
            device=None if device is None else torch_device(device),
            force=force,
        )
    written = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    if json:
        output.print_json({"model": folder.name, "folder": str(folder), "backend": backend, "files": written})
        return
    console = output.stdout()
    console.print(f"wrote {folder}: {', '.join(written)}")
    console.print(f"start the server: tritonserver --model-repository={repository.absolute()}", soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("triton")(triton)
