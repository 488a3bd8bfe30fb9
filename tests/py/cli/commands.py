"""The command line, called in this process or through a shell."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from torch_nacelle_cli.app import make_app

ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "ignore", "COLUMNS": "160"}


class Outcome:
    """How a command ended, and what it printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def words(self) -> str:
        """The messages as words: without the frame that a usage error has, and where its lines end."""
        return " ".join(self.err.replace("│", " ").split())

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def nacelle(*arguments: str | Path) -> Outcome:
    """Calls a command in this process."""
    result = CliRunner(env={"COLUMNS": "160"}).invoke(make_app(), [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)


def shell(script: str, folder: Path) -> Outcome:
    """Runs a script of bash in `folder`, where `nacelle` is the command."""
    define = f'nacelle() {{ {shlex.quote(sys.executable)} -m torch_nacelle "$@"; }}\n'
    result = subprocess.run(
        ["bash", "-c", define + script], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=240
    )
    return Outcome(result.returncode, result.stdout, result.stderr)
