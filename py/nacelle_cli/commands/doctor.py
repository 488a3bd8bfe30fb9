"""``nacelle doctor`` says what this machine has, and if a program's engines will run on it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from nacelle_cli import failures, loading
from nacelle_cli.commands import inspect
from nacelle_cli.loading import Loaded
from nacelle_cli.machine import Library, Machine, look
from nacelle_cli.reading.programs import Engine, Program
from nacelle_cli.reading.texts import printable, printable_lines
from nacelle_cli.render import output, show

_HELP = """Say what this machine has, and if the engines of a program will run on it.

Torch, the CUDA driver and its GPUs, and every TensorRT that is found. With FILE, a program or a plan, each engine is \
set up as for a call, so the answer is the runtime's own. The program around the engines is not loaded, and nothing \
of it is run. Exit code 1 if an engine will not run here.

[bold]Examples[/bold]

  nacelle doctor
  nacelle doctor model.ts
  nacelle doctor model.ts --json | jq '.engines[] | select(.will_run | not)'
"""


@dataclass
class Diagnosis:
    """A file on this machine.

    Attributes:
        path: The file.
        engines: The result of setting up each engine, by the engine's path; a plan has the path "".
        notes: Other obstacles, and facts that are good to know.
        fatal: The reason why the program cannot be loaded at all; else empty.
    """

    path: Path
    engines: dict[str, Loaded] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    fatal: str = ""

    @property
    def will_run(self) -> bool:
        """True if every engine will run."""
        return not self.fatal and all(engine.ready for engine in self.engines.values())


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("doctor", help=_HELP)(_doctor)


def _doctor(
    file: Annotated[
        Path | None, typer.Argument(help="A program (.ts) or a plan (.plan, .engine).", metavar="[FILE]")
    ] = None,
    json: output.Json = False,
) -> None:
    with output.progress("Looking at this machine"):
        machine = look()
    diagnosis = None
    if file is not None:
        with output.progress(f"Setting up the engines of {file.name}"):
            diagnosis = examine(file, machine)
    if json:
        output.print_json(_facts(machine, diagnosis))
    else:
        _print(machine, diagnosis)
    if machine.problem or (diagnosis is not None and not diagnosis.will_run):
        raise failures.Answer


def examine(path: Path, machine: Machine) -> Diagnosis:
    """Sets up every engine of a file, and finds the reasons if one cannot run.

    Raises:
        CommandError: The file cannot be read.
    """
    found = inspect.inspect_file(path)
    if found.error:
        raise failures.CommandError(found.error)
    diagnosis = Diagnosis(path)
    if machine.problem:
        diagnosis.fatal = "torch_nacelle cannot be imported here; see above"
    elif found.program is None:
        diagnosis.engines[""] = loading.of_plan(path)
    else:
        _examine_program(found.program, machine, diagnosis)
    return diagnosis


def _examine_program(program: Program, machine: Machine, diagnosis: Diagnosis) -> None:
    diagnosis.notes += _notes(program, machine)
    damaged = [engine for engine in program.engines if engine.problem]
    if damaged:
        diagnosis.fatal = "torch.jit.load refuses the program, since " + "; ".join(_damage(one) for one in damaged)
        return
    try:
        diagnosis.engines = loading.of_program(diagnosis.path, [engine.path for engine in program.engines])
    except Exception as error:
        message = failures.message_of(error)
        if message is None:
            raise
        diagnosis.fatal = message


def _damage(engine: Engine) -> str:
    return f"the record of {engine.path} is damaged: {engine.problem}"


def _notes(program: Program, machine: Machine) -> list[str]:
    devices = {device for tensors in program.tensors.values() for device in tensors.devices if device != "cpu"}
    if devices and not machine.torch_cuda:
        return [
            f"tensors are saved on {', '.join(sorted(devices))}, and torch {machine.torch} has no CUDA: load it with "
            'torch.jit.load(path, map_location="cpu"), or with a torch for CUDA'
        ]
    return []


def _facts(machine: Machine, diagnosis: Diagnosis | None) -> dict[str, object]:
    facts: dict[str, object] = {"machine": dataclasses.asdict(machine)}
    if diagnosis is None:
        return facts
    engines = [
        {"path": path, "will_run": loaded.ready, "runs_on": loaded.runs_on, "reason": loaded.reason}
        for path, loaded in diagnosis.engines.items()
    ]
    return facts | {
        "file": str(diagnosis.path),
        "will_run": diagnosis.will_run,
        "fatal": diagnosis.fatal,
        "notes": diagnosis.notes,
        "engines": engines,
    }


def _print(machine: Machine, diagnosis: Diagnosis | None) -> None:
    page = show.Page(output.stdout())
    page.heading("This machine", machine.system)
    page.row("nacelle", machine.nacelle)
    page.row("problem", machine.problem, "red")
    page.row("torch", f"{machine.torch or 'not installed'}{_torch_detail(machine)}")
    page.row("python", machine.python)
    page.row("variables", "\n".join(f"{name}={value}" for name, value in machine.variables.items()))
    if machine.peer:
        page.row("note", f"torch_tensorrt {machine.peer} is installed; a process imports one of the two", "yellow")
    _print_driver(page, machine)
    _print_libraries(page, machine.libraries)
    if diagnosis is not None:
        page.blank()
        _print_diagnosis(page, diagnosis)


def _torch_detail(machine: Machine) -> str:
    if not machine.torch:
        return ""
    return f", for CUDA {machine.torch_cuda}" if machine.torch_cuda else ", for the CPU only"


def _print_driver(page: show.Page, machine: Machine) -> None:
    driver = machine.driver
    release = f"{driver.release}, " if driver.release else ""
    page.row("CUDA driver", f"{release}runs CUDA up to {driver.cuda}" if driver.cuda else f"none: {driver.problem}")
    gpus = [
        f"{gpu.number}: {gpu.name}, compute capability {gpu.compute_capability}, {output.size_text(gpu.memory)}"
        for gpu in driver.gpus
    ]
    reason = f" ({driver.problem})" if driver.cuda and driver.problem else ""
    page.row("GPUs", "\n".join(gpus) or f"none: only plans of the reference engine run here{reason}")
    if driver.gpus and machine.torch and not machine.torch_cuda:
        text = f"torch {machine.torch} has no CUDA: engines for GPUs need a torch that has"
        page.row("problem", text, "red")


def _print_libraries(page: show.Page, libraries: list[Library]) -> None:
    usable = [f"{one.release} ({one.kind}), {one.path}, from {one.source}" for one in libraries if one.release]
    page.row("TensorRT", "\n".join(usable) or "none found")
    unusable = [f"{one.path}: {one.problem}" for one in libraries if not one.release and not one.is_absent]
    page.row("not usable", "\n".join(unusable), "yellow")
    absent = [one.path for one in libraries if one.is_absent]
    page.row("not there", ", ".join(absent), "dim")


def _print_diagnosis(page: show.Page, diagnosis: Diagnosis) -> None:
    count = len(diagnosis.engines)
    answer = "will run here" if diagnosis.will_run else "will not run here"
    page.heading(printable(str(diagnosis.path)), answer if count or diagnosis.fatal else "has no engines")
    page.row("problem", printable_lines(diagnosis.fatal), "red")
    for note in diagnosis.notes:
        page.row("note", note, "yellow")
    for path, loaded in diagnosis.engines.items():
        page.blank()
        page.heading(printable(path) or "plan", "engine", indent=2)
        if loaded.ready:
            page.row("will run", f"on {printable(loaded.runs_on)}", "green", indent=4)
        else:
            page.row("will not run", printable_lines(loaded.reason), "red", indent=4)
