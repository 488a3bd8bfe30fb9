"""``nacelle convert`` and ``nacelle strip`` write a program with records of another version, or without metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nacelle_cli import format_changes
from nacelle_cli.arguments.destinations import check, parse
from nacelle_cli.arguments.formats import Format, check_format
from nacelle_cli.failures import wrong_usage
from nacelle_cli.render import output

Source = Annotated[Path, typer.Argument(metavar="IN", help="A program: .ts, .pt2, .ep.")]
Destination = Annotated[Path, typer.Argument(metavar="OUT", help="The file to write; it may be IN.", parser=parse)]
StripDestination = Annotated[
    Path, typer.Option("--output", "-o", metavar="OUT", help="The file to write; may be FILE.", parser=parse)
]

AllowCode = Annotated[
    bool,
    typer.Option(
        "--allow-code", help="For another format: allow a TorchScript program that runs code when it is loaded."
    ),
]


def convert(
    source: Source,
    destination: Destination,
    abi_version: Annotated[
        int | None,
        typer.Option("--abi", metavar="N", help="The version to write, 3 to 10; may be left out for another format."),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD", help="A field whose loss is accepted if version N lacks it. Repeatable."),
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The platform that the plans were built for, such as linux_x86_64; this machine's if neither this "
            "option nor the record tells it.",
        ),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            metavar="LAYOUT",
            help="In an exported program: custom (torch's pickle, for every torch) or opaque (Torch-TensorRT 2.13's, "
            "for torch 2.13 and newer); that of each engine if left out.",
        ),
    ] = None,
    format: Format = None,
    allow_code: AllowCode = False,
    json: output.Json = False,
) -> None:
    """Copy a program with the records of its engines in another ABI version, or as a program of another format.

    IN is what torch.jit.save, torch.export.save or AOTInductor wrote.

    Nothing of the program is run, and all else in the file stays as it is, byte for byte. A field that version N cannot
    keep ends it with an error, unless --drop names the field. Fields that version N adds are filled from the plans of
    engines that can run here.

    If OUT is of another format than IN (by its suffix, or by --format), the engines are put into a program of that
    format: TorchScript (.ts), an exported program (.pt2), an AOTInductor package. torch has no way for other operators,
    so the program must be one of engines alone. The plans stay the same.

    Example: [bold]nacelle convert model.ts model.pt2[/bold]

    Example: [bold]nacelle convert model.pt2 for_torch_tensorrt_2_12.pt2 --abi 9[/bold]
    """
    check_format(format)
    check(destination)
    if (change := format_changes.between(source, destination, format)) is not None:
        given = {"--drop": drop, "--platform": platform, "--layout": layout}
        change.run(abi_version, [name for name, value in given.items() if value], allow_code=allow_code, json=json)
        return
    if abi_version is None:
        wrong_usage("Missing option '--abi', the version to write, 3 to 10: IN and OUT are of one format")
    import torch_nacelle as nacelle

    program = nacelle.read(source)
    before = [engine.abi_version for engine in program.engines]
    program.convert(abi_version, drop or (), platform, layout)
    program.save(destination)
    after = program.engines
    if json:
        engines = [
            {"path": engine.path, "abi_version": engine.abi_version, "former_abi_version": former}
            for engine, former in zip(after, before, strict=True)
        ]
        output.print_json({"output": str(destination), "engines": engines}, beside=destination)
        return
    console = output.stdout(beside=destination)
    for engine, former in zip(after, before, strict=True):
        console.print(f"{engine.path}: ABI version {former} -> {engine.abi_version}")
    console.print(f"wrote {destination}" + ("" if after else ", which has no engines"))


def strip(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A program: .ts, .pt2, .ep.")],
    destination: StripDestination,
    json: output.Json = False,
) -> None:
    """Copy a program without the metadata of its engines, where compilers leave pickles.

    A pickle can run any code when somebody unpickles it; nothing here does. Programs run without it. Nothing of the
    program is run, and all else in the file stays as it is, byte for byte.

    Example: [bold]nacelle strip model.ts -o clean.ts[/bold]
    """
    check(destination)
    import torch_nacelle as nacelle

    removed = nacelle.strip(file, destination)
    if json:
        facts = [{"engine": one.engine, "kind": one.kind, "size": one.size} for one in removed]
        output.print_json({"output": str(destination), "removed": facts}, beside=destination)
        return
    console = output.stdout(beside=destination)
    for one in removed:
        console.print(f"{one.engine}: removed metadata, {one.kind}, {output.size_text(one.size)}")
    console.print(f"wrote {destination}" + ("" if removed else "; no engine had metadata"))


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("convert")(convert)
    app.command("strip")(strip)
