"""``nacelle extract``, ``replace`` and ``embed`` take plans out of programs, and put plans into them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import nacelle_core
from nacelle_cli import files, loading
from nacelle_cli.arguments.destinations import check, parse
from nacelle_cli.failures import CommandError, wrong_usage
from nacelle_cli.reading import kinds, regular
from nacelle_cli.reading.containers.container import Container
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.records import Engine
from nacelle_cli.reading.texts import printable
from nacelle_cli.render import output

if TYPE_CHECKING:
    from torch_nacelle import EngineInfo

File = Annotated[Path, typer.Argument(metavar="FILE", help="A program: .ts, .pt2, .ep.")]
EngineName = Annotated[
    str, typer.Argument(metavar="ENGINE", help="The engine's path in the program, or its name if one has it.")
]


def extract(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A program, or another file that holds engines.")],
    engine: EngineName,
    destination: Annotated[
        Path, typer.Option("--output", "-o", metavar="PLAN", help="The file to write.", parser=parse)
    ],
    json: output.Json = False,
) -> None:
    """Write the plan of an engine to a file of its own, byte for byte.

    FILE is any file that nacelle inspect finds engines in, but a plan: .ts, .pt2, .onnx, .engine, .pte.

    Example: [bold]nacelle extract model.ts backbone -o backbone.plan[/bold]
    """
    check(destination)
    with _opened(file) as container:
        if container is not None:
            _extract(container, engine, destination, as_json=json)
            return
    import torch_nacelle as nacelle

    found = nacelle.extract(file, engine, destination)
    if json:
        output.print_json({"output": str(destination), "engine": _facts(found)}, beside=destination)
        return
    output.stdout(beside=destination).print(
        f"wrote {destination}: the plan of {found.path}, {output.size_text(found.plan_size)}, {found.plan_release}"
    )


def _opened(path: Path) -> AbstractContextManager[Container | None]:
    """The file as what holds plans; None for a TorchScript program, a plan, and what is not there."""
    return kinds.opened(path) if path.exists() else nullcontext()


def _extract(container: Container, wanted: str, destination: Path, *, as_json: bool) -> None:
    """Writes a plan block by block, without torch."""
    engine = container.engine(wanted)
    if engine.stored is None or engine.plan is None:
        raise ReadingError(f"{container.path}: engine {engine.path} has no plan that can be read: {engine.problem}")
    with files.replacing(destination) as temporary, temporary.open("wb") as file:
        for block in engine.stored.blocks():
            file.write(block)
    if as_json:
        output.print_json({"output": str(destination), "engine": _facts_of(engine)}, beside=destination)
        return
    output.stdout(beside=destination).print(
        f"wrote {destination}: the plan of {printable(engine.path)}, {output.size_text(engine.plan.size)}, "
        f"{printable(engine.plan.description)}"
    )


def _facts_of(engine: Engine) -> dict[str, object]:
    """The same facts as ``_facts``; None for those of a record that is not there."""
    assert engine.plan is not None
    record = engine.record
    return {
        "path": engine.path,
        "name": record.name if record else None,
        "abi_version": record.version if record else None,
        "device": record.device if record else None,
        "plan_size": engine.plan.size,
        "plan_release": engine.plan.description,
        "input_names": list(engine.input_names),
        "output_names": list(engine.output_names),
    }


def replace(
    file: File,
    engine: EngineName,
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A file that holds the new plan.")],
    destination: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="The file to write; it may be FILE.", parser=parse)
    ],
    json: output.Json = False,
) -> None:
    """Put another plan into an engine; its record and the program around it stay as they are.

    The new plan must have the same inputs and outputs: names, dtypes and ranks; in an exported program and a package of
    AOTInductor, which keep the shapes of outputs, also the same shapes. If this machine cannot set up the plans to
    compare them, a note says so.

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
    plan: Annotated[
        Path,
        typer.Argument(
            metavar="PLAN",
            help="A serialized engine, of trtexec for instance; or a file that holds one: .onnx, .engine.",
        ),
    ],
    destination: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="The program to write.", parser=parse)
    ],
    engine: Annotated[
        str | None,
        typer.Option(metavar="ENGINE", help="The engine's path in PLAN, if PLAN is a file that holds several."),
    ] = None,
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
    abi_version: Annotated[
        int | None,
        typer.Option(
            "--abi",
            metavar="N",
            help="The version of the record, 3 to 10. Default: 3; for an engine in another file, the oldest "
            "that keeps the names and flags there.",
        ),
    ] = None,
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

    On a machine that cannot set the plan up, --inputs, --outputs and --device have to be given. PLAN may be any file
    that nacelle inspect finds engines in, but a TorchScript program: what it tells of the engine (names, device, flags)
    need not be given. The JSON of an ultralytics .engine goes along as the extra file metadata.json.

    Example: [bold]nacelle embed resnet.plan -o resnet.ts --name resnet --inputs image --outputs scores --abi 9[/bold]
    """
    check(destination)
    import torch_nacelle as nacelle

    if not regular.exists(plan):
        raise CommandError(f"there is no plan file {plan}")
    content, known, extra_files = _source(plan, engine)
    given = {
        "input_names": _names(inputs),
        "output_names": _names(outputs),
        "device": device,
        "hardware_compatible": hardware_compatible or None,
        "platform": platform,
    }
    program = nacelle.embed(
        content,
        name=name,
        abi_version=abi_version if abi_version is not None or known is not None else nacelle_core.DEFAULT_ABI_VERSION,
        **(known or {}) | {option: value for option, value in given.items() if value is not None},
    )
    nacelle.Program(program, extra_files).save(destination)
    (made,) = nacelle.read(program).engines
    if json:
        output.print_json({"output": str(destination), "engine": _facts(made)}, beside=destination)
        return
    output.stdout(beside=destination).print(
        f"wrote {destination}: {made.path}, {made.plan_release}, for {made.device_description}, "
        f"ABI version {made.abi_version}"
    )


def _source(path: Path, wanted: str | None) -> tuple[bytes, dict[str, Any] | None, dict[str, bytes]]:
    """A plan, what its file tells of it (None of a bare plan), and the texts that go along."""
    with kinds.opened(path) as container:
        if container is None:
            if wanted is not None:
                wrong_usage(f"--engine is for a file that holds engines, and {path} is none")
            return path.read_bytes(), None, {}
        if wanted is None and len(container.engines) != 1:
            listed = ", ".join(printable(engine.path) for engine in container.engines[:20]) or "none"
            raise CommandError(f"{path} has {len(container.engines)} engines: {listed}; name one with --engine")
        engine = container.engine(wanted) if wanted is not None else container.engines[0]
        return loading.plan_of(engine), loading.known_of(engine), container.extra_files


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
