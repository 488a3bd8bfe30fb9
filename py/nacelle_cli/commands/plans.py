"""``nacelle extract``, ``replace`` and ``embed`` take plans out of programs, and put plans into them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nacelle_cli.arguments.destinations import check, parse
from nacelle_cli.failures import CommandError
from nacelle_cli.reading import regular
from nacelle_cli.render import output

if TYPE_CHECKING:
    from torch_nacelle import EngineInfo

File = Annotated[Path, typer.Argument(metavar="FILE", help="A program that torch.jit.save wrote.")]
Engine = Annotated[
    str, typer.Argument(metavar="ENGINE", help="The engine's path in the program, or its name if one has it.")
]


def extract(
    file: File,
    engine: Engine,
    destination: Annotated[
        Path, typer.Option("--output", "-o", metavar="PLAN", help="The file to write.", parser=parse)
    ],
    json: output.Json = False,
) -> None:
    """Write the plan of an engine to a file of its own, byte for byte.

    Example: [bold]nacelle extract model.ts backbone -o backbone.plan[/bold]
    """
    check(destination)
    import torch_nacelle as nacelle

    found = nacelle.extract(file, engine, destination)
    if json:
        output.print_json({"output": str(destination), "engine": _facts(found)}, beside=destination)
        return
    output.stdout(beside=destination).print(
        f"wrote {destination}: the plan of {found.path}, {output.size_text(found.plan_size)}, {found.plan_release}"
    )


def replace(
    file: File,
    engine: Engine,
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A file that holds the new plan.")],
    destination: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="The file to write; it may be FILE.", parser=parse)
    ],
    json: output.Json = False,
) -> None:
    """Put another plan into an engine; its record and the program around it stay as they are.

    The new plan must have the same inputs and outputs: names, dtypes and ranks. If this machine cannot set up the plans
    to compare them, a note says so.

    Example: [bold]nacelle replace model.ts backbone backbone_fp16.plan -o model_fp16.ts[/bold]
    """
    check(destination)
    import torch_nacelle as nacelle

    done = nacelle.replace(file, engine, plan, destination)
    if json:
        output.print_json(
            {
                "output": str(destination),
                "engine": _facts(done.engine),
                "former_plan_release": done.former_release,
                "checked": list(done.checked),
                "why_unchecked": done.why_unchecked,
            },
            beside=destination,
        )
        return
    output.stdout(beside=destination).print(
        f"wrote {destination}: {done.engine.path} has a plan of {done.engine.plan_release}, "
        f"{output.size_text(done.engine.plan_size)}; it had one of {done.former_release}"
    )
    if done.checked:
        output.stdout(beside=destination).print(f"the same inputs and outputs: {', '.join(done.checked)}")
    if done.why_unchecked:
        output.note(f"{'more' if done.checked else 'inputs and outputs'} could not be compared: {done.why_unchecked}")


def embed(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A serialized engine, of trtexec for instance.")],
    destination: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="The program to write.", parser=parse)
    ],
    name: Annotated[str, typer.Option(help="The engine's name, an identifier.")] = "engine",
    inputs: Annotated[
        str | None,
        typer.Option(
            metavar="A,B", help="Binding names in the order in which forward takes them. Default: the plan's."
        ),
    ] = None,
    outputs: Annotated[
        str | None, typer.Option(metavar="A,B", help="Binding names in the order in which forward returns them.")
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help='What it was built for: "cuda", "cuda:1", or a record\'s text "0%9%0%0%NVIDIA H100 80GB HBM3".'
        ),
    ] = None,
    abi_version: Annotated[int, typer.Option("--abi", metavar="N", help="The version of the record, 3 to 10.")] = 3,
    hardware_compatible: Annotated[
        bool, typer.Option("--hardware-compatible", help="It was built for any GPU of compute capability 8.0 or newer.")
    ] = False,
    platform: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The platform it was built for, such as linux_x86_64; needs version 6. Default: this machine's.",
        ),
    ] = None,
    json: output.Json = False,
) -> None:
    """Make a TorchScript program of a plan that was built elsewhere.

    On a machine that cannot set the plan up, --inputs, --outputs and --device have to be given.

    Example: [bold]nacelle embed resnet.plan -o resnet.ts --name resnet --inputs image --outputs scores --abi 9[/bold]
    """
    check(destination)
    import torch_nacelle as nacelle

    if not regular.exists(plan):
        raise CommandError(f"there is no plan file {plan}")
    program = nacelle.embed(
        plan.read_bytes(),
        name=name,
        input_names=_names(inputs),
        output_names=_names(outputs),
        device=device,
        abi_version=abi_version,
        hardware_compatible=hardware_compatible,
        platform=platform,
    )
    nacelle.Program(program).save(destination)
    (engine,) = nacelle.read(program).engines
    if json:
        output.print_json({"output": str(destination), "engine": _facts(engine)}, beside=destination)
        return
    output.stdout(beside=destination).print(
        f"wrote {destination}: {engine.path}, {engine.plan_release}, for {engine.device_description}, "
        f"ABI version {engine.abi_version}"
    )


def _names(listed: str | None) -> list[str] | None:
    return None if listed is None else [name.strip() for name in listed.split(",") if name.strip()]


def _facts(engine: EngineInfo) -> dict[str, object]:
    return {
        "path": engine.path,
        "name": engine.name,
        "abi_version": engine.abi_version,
        "device": engine.device,
        "plan_size": engine.plan_size,
        "plan_release": engine.plan_release,
        "input_names": engine.input_names,
        "output_names": engine.output_names,
    }


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("extract")(extract)
    app.command("replace")(replace)
    app.command("embed")(embed)
