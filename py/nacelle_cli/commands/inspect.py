"""``nacelle inspect`` shows a file with engines at a glance; torch loads a program only for ``--graph``."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from nacelle_cli import failures, loading
from nacelle_cli.arguments.destinations import check, parse
from nacelle_cli.loading import Loaded
from nacelle_cli.reading import kinds
from nacelle_cli.reading.containers import graphs
from nacelle_cli.reading.containers.container import Container
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.plans import Plan
from nacelle_cli.reading.programs import Program
from nacelle_cli.render import output, show
from nacelle_cli.render.inspected import Inspected

_HELP = """Show what a program or a plan is, without running anything of it.

Engines with their records and plans, the program around them, what it takes and returns. Reads programs of \
torch.jit.save, torch.export.save and AOTInductor, plans, and engines in ONNX models (EPContext), in ultralytics' \
.engine files and in ExecuTorch programs. Needs no GPU and no TensorRT, and holds no plan in memory. Only --graph has \
torch load a program, and only a TorchScript one.

[bold]Examples[/bold]

  nacelle inspect model.ts
  nacelle inspect model.pt2
  nacelle inspect model.ts --html report.html --profile trace.json
  nacelle inspect *.ts --json | jq -r '.[].engines[].plan.release'
"""

_PACKAGES = ("exported program", "AOTInductor package")
# Files of so many bytes take a second or more.
_SLOW = 200 << 20


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("inspect", help=_HELP)(_inspect)


def _inspect(
    files: Annotated[
        list[Path], typer.Argument(help="Programs (.ts, .pt2) and plans (.plan, .engine).", metavar="FILE...")
    ],
    json: output.Json = False,
    load: Annotated[
        bool,
        typer.Option(
            "--load",
            help="Set the engines up, and show what their library tells: layers, shapes. Nothing else of the file is "
            "loaded.",
        ),
    ] = False,
    graph: Annotated[
        bool,
        typer.Option(
            "--graph",
            help="Print the graph of forward, calls inlined. torch loads a TorchScript program for it; one with code "
            "that this would run is refused. The graph of an exported program is read from the file.",
        ),
    ] = False,
    allow_code: Annotated[
        bool,
        typer.Option(
            "--allow-code",
            help="With --graph: load a program that brings code which loading it runs. For files that you trust.",
        ),
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="Write a report, one page for a browser.", metavar="REPORT", parser=parse),
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option("--profile", help="A trace that nacelle.profile saved, for the report.", metavar="TRACE"),
    ] = None,
) -> None:
    if profile is not None and html is None:
        failures.wrong_usage("--profile is for the report: give --html REPORT too")
    if json and graph:
        failures.wrong_usage("--graph prints a text, and --json prints JSON: give one of them")
    if allow_code and not graph:
        failures.wrong_usage("--allow-code is for --graph, since nothing else runs code of the file: give --graph too")
    check(html)
    found = [inspect_file(path, load) for path in files]
    if html is not None:
        _write_report(html, found, profile)
    if json:
        output.print_json([one.facts() for one in found], beside=html)
    elif html is None or graph:
        _print(found, graph, allow_code, html)
    else:
        output.stdout(beside=html).print(f"wrote {html}")
    _report_errors(found)


def inspect_file(path: Path, load: bool = False) -> Inspected:
    """Reads a file. If it cannot be read, the result has the reason."""
    inspected = Inspected(path)
    try:
        _read(inspected)
    except (ReadingError, OSError) as error:
        inspected.error = failures.message_of(error) or str(error)
        return inspected
    if load and inspected.sound:
        with output.progress(f"Setting up {path.name}"):
            inspected.loaded = _load(inspected)
    return inspected


def _read(inspected: Inspected) -> None:
    path = inspected.path
    slow = path.exists() and path.stat().st_size >= _SLOW
    with output.progress(f"Reading {path.name}") if slow else contextlib.nullcontext():
        match kinds.read(path):
            case Program() as program:
                inspected.program = program
            case Plan() as plan:
                inspected.plan = plan
            case Container() as container:
                inspected.container = container


def _load(inspected: Inspected) -> dict[str, Loaded]:
    if inspected.container is not None:
        return loading.of_container(inspected.path)
    if inspected.program is None:
        return {"": loading.of_plan(inspected.path)}
    return loading.of_program(inspected.path, [engine.path for engine in inspected.program.engines])


def _print(found: list[Inspected], graph: bool, allow_code: bool, html: Path | None) -> None:
    page = show.Page(output.stdout(beside=html))
    for i, one in enumerate(one for one in found if not one.error):
        if i:
            page.blank()
        if one.program is not None:
            show.program_lines(page, one.program, one.loaded)
        elif one.container is not None:
            show.container_lines(page, one.container, one.loaded)
        elif one.plan is not None:
            page.heading(str(one.path), "plan")
            show.plan_lines(page, one.plan, indent=2)
            show.binding_lines(page, one.plan, one.loaded.get(""), ((), ()), indent=2)
            if "" in one.loaded:
                show.loaded_lines(page, one.loaded[""], indent=2)
        if graph:
            page.blank()
            page.text(_graph(one, allow_code))


def _graph(one: Inspected, allow_code: bool) -> str:
    """The graph of forward: as torch prints it, which loads the program; of an exported program as its file has it."""
    path = one.path
    if one.container is not None and one.container.kind in _PACKAGES:
        return graphs.read(path)
    if one.program is None:
        kind = one.container.kind if one.container is not None else "plan"
        raise failures.CommandError(
            f"{path} is {output.with_article(kind)}, which has no graph of torch's operators; give --graph for a "
            "program (.ts, .pt2); --load shows the layers of an engine"
        )
    import torch_nacelle as nacelle

    module = nacelle.read(path, allow_code=allow_code).module
    if not hasattr(module, "forward"):
        raise failures.CommandError(
            f"{path} has no forward, and so no graph of it; its methods are in its code/ folder"
        )
    return str(module.inlined_graph).rstrip()


def _write_report(html: Path, found: list[Inspected], profile: Path | None) -> None:
    from nacelle_cli.render.report import write

    write(html, [one for one in found if not one.error], profile)


def _report_errors(found: list[Inspected]) -> None:
    for one in found:
        if one.error:
            output.complain(one.error)
    if not all(one.sound for one in found):
        raise failures.Answer
