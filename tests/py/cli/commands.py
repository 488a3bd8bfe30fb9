"""The command line called in this process, which saves importing torch for every call."""

from pathlib import Path

from typer.testing import CliRunner

from nacelle_cli.app import make_app
from tests.py.cli.terminal import Outcome


def nacelle(*arguments: str | Path) -> Outcome:
    """Calls a command; what it raises and does not report is raised."""
    result = CliRunner(env={"COLUMNS": "160"}).invoke(make_app(), [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)
