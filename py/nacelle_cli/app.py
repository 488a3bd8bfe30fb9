"""The program ``nacelle``: its commands, its version, and the exit codes of its errors."""

from __future__ import annotations

import importlib.metadata
import signal
import sys
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from nacelle_cli import failures
from nacelle_cli.commands import bench, check, compile_model, convert, diff, doctor, inspect, plans, run, triton
from nacelle_cli.render import output, streams

# Every module has a function register(app), which adds its commands. They are listed in this order by --help.
MODULES: tuple[Any, ...] = (inspect, doctor, diff, convert, plans, compile_model, run, check, bench, triton)


class _Commands(TyperGroup):
    """The commands; an error that any of them raises becomes a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        with failures.reported():
            return super().invoke(ctx)


def _version() -> str:
    """Returns the package's version and torch's, from the distribution's metadata, so without importing torch."""
    try:
        ours = importlib.metadata.distribution("torch_nacelle")
    except importlib.metadata.PackageNotFoundError:
        raise failures.CommandError(
            "torch_nacelle is not installed beside its command line; install the wheel again"
        ) from None
    torch = next(required.removeprefix("torch==") for required in ours.requires or () if required.startswith("torch=="))
    return f"nacelle {ours.version}, for torch {torch}"


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
    """Ends the process as the signal would, after half-written files were removed."""
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
