"""The program ``nacelle``: its commands, its version, and the way from an error to an exit code."""

from __future__ import annotations

import importlib.util
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from nacelle_cli import failures
from nacelle_cli.commands import bench, check, compile_model, convert, diff, doctor, inspect, plans, run
from nacelle_cli.render import output, streams

# Every module has a function register(app), which adds its commands. They are listed in this order by --help.
MODULES: tuple[Any, ...] = (inspect, doctor, diff, convert, plans, compile_model, run, check, bench)


class _Commands(TyperGroup):
    """The commands; what any of them raises becomes a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        with failures.reported():
            return super().invoke(ctx)


def _version() -> str:
    """What this is and was built with, from the file that the build writes; importing it would import torch."""
    package = importlib.util.find_spec("torch_nacelle")
    if package is None or not package.submodule_search_locations:
        raise failures.CommandError("torch_nacelle is not installed beside its command line; install the wheel again")
    path = Path(package.submodule_search_locations[0]) / "_runtime" / "build_info.py"
    values: dict[str, str] = {}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), values)
    return f"nacelle {values['VERSION']}, for torch {values['TORCH_RELEASE']}"


def _print_version(wanted: bool) -> None:
    if wanted:
        with failures.reported():
            output.stdout().print(_version())
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Look into programs with TensorRT engines, move them between versions, run and measure them."""


def make_app() -> typer.Typer:
    """Returns the program with every command."""
    app = typer.Typer(
        name="nacelle",
        cls=_Commands,
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for module in MODULES:
        module.register(app)
    return app


def _end(number: int, _: object) -> NoReturn:
    """Ends the process as the signal would, after what is half written was removed."""
    sys.exit(128 + number)


def main() -> NoReturn:
    """Runs the program with the process's arguments, and ends the process."""
    signal.signal(signal.SIGTERM, _end)
    streams.prepare()
    try:
        code = _exit_code()
        sys.stdout.flush()
    except BrokenPipeError:
        code = failures.FAILED
    except Exception as error:  # outside of a command: while the program is made, or its output is written
        message = failures.message_of(error)
        if message is None:
            raise
        output.complain(message)
        code = failures.FAILED
    sys.exit(code)


def _exit_code() -> Any:
    try:
        make_app()(prog_name="nacelle")
    except SystemExit as end:
        return end.code
    return 0
