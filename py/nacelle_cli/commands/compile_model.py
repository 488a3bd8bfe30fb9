"""``nacelle compile`` makes a program with an engine from a model in a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from nacelle_cli import files
from nacelle_cli.arguments import destinations
from nacelle_cli.arguments.build_options import with_build_options
from nacelle_cli.arguments.formats import Format, check_format, format_for
from nacelle_cli.arguments.models import load_model
from nacelle_cli.arguments.tensors import parse_described
from nacelle_cli.failures import wrong_usage
from nacelle_cli.reading import kinds
from nacelle_cli.render import output


def compile(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="ONNX (.onnx), an exported program (.pt2; no Python of the file runs, its operators do), or "
            "TorchScript (.ts; a program, which runs).",
        ),
    ],
    destination: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="The program to write: .ts TorchScript, .pt2 an exported program; see --format.",
            parser=destinations.parse,
        ),
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="[NAME=]DTYPE[SHAPE]",
            help="An input of the model; once for each, in order. A dimension is a size (3), a range (1..16), or a "
            "range and the size to be fastest at (1..16:8); +\\[…] adds an optimization profile; =\\[…] gives the "
            "ranges of values that decide about shapes.",
        ),
    ] = None,
    format: Format = None,
    backend: Annotated[
        str, typer.Option(help="The builder: auto, tensorrt, tensorrt_rtx, reference (on the CPU).")
    ] = "auto",
    check: Annotated[
        bool, typer.Option("--check", help="Compare the program with the model before it is written.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="The engine's name. Default: the file's.")] = None,
    abi_version: Annotated[
        int | None,
        typer.Option(
            "--abi",
            metavar="N",
            help="The version of the record. Default: 3 in TorchScript and 9 in others, or what is needed.",
        ),
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The platform that the engine is for, such as linux_x86_64; needs version 6. Default: this machine's.",
        ),
    ] = None,
    json: output.Json = False,
    *,
    build_options: dict[str, object],
) -> None:
    r"""Make a program with an engine of a model, with whatever TensorRT is there, or for the CPU.

    OUT is TorchScript, an exported program (.pt2, for torch.export), or with --format aotinductor a package of machine
    code, which Python and C++ load; compiling that takes a C++ compiler and a minute.

    A TorchScript model is loaded and its code is run: give a file that you trust.

    Example: [bold]nacelle compile resnet.onnx -o resnet.pt2 --input 'images=float32\[1..16:8,3,224,224]' --fp16[/bold]
    """
    described = [parse_described(text) for text in inputs or ()]
    check_format(format)
    destinations.check(destination)
    import torch

    import torch_nacelle as nacelle

    options: Any = build_options  # nacelle.compile knows these, too
    choice: Any = backend  # nacelle.compile knows the backends
    loaded = load_model(model)
    if not described and isinstance(loaded, torch.jit.ScriptModule):
        names = [argument.name for argument in nacelle.arguments(loaded)]
        wrong_usage(
            f"a TorchScript model does not tell its inputs: give --input for each of {', '.join(names)}, for "
            f"instance --input '{names[0] if names else 'x'}=float32[1..16:8,3,224,224]'"
        )
    chosen: Any = format_for(destination, format)  # nacelle.save knows the formats
    with files.replacing(destination) as temporary:
        program = nacelle.compile(
            loaded,
            [one.to_input() for one in described] or None,
            container="torchscript" if chosen == "torchscript" else "module",
            backend=choice,
            check=check,
            name=name or (None if isinstance(loaded, Path) else _identifier(model.stem)),
            abi_version=abi_version,
            platform=platform,
            **options,
        )
        nacelle.save(program, temporary, format=chosen, abi_version=abi_version)
        (engine,) = kinds.engines(temporary)
    assert engine.plan is not None
    release, size = engine.plan.description, engine.plan.size
    if json:
        facts = {"path": engine.path, "plan_release": release, "plan_size": size}
        output.print_json(
            {"output": str(destination), "format": chosen, "checked": check, "engine": facts}, beside=destination
        )
        return
    output.stdout(beside=destination).print(
        f"wrote {destination}: {engine.path}, {release}, {output.size_text(size)}"
        + (", computes what the model computes" if check else "")
    )


def _identifier(stem: str) -> str:
    """A file's name as the name of an engine."""
    name = re.sub(r"\W", "_", stem, flags=re.ASCII)
    if not name.strip("_"):
        return "engine"
    return f"_{name}" if name[0].isdigit() else name


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("compile")(with_build_options(compile))
