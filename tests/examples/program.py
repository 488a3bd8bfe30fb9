"""Starts a program of the examples, as a user does."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import typer
from typer.testing import CliRunner


@dataclass(frozen=True)
class Run:
    """A program's end: its exit status, and what it wrote."""

    status: int
    output: str
    errors: str

    def number(self, label: str) -> float:
        """The number that stands after `label` and a colon in the output."""
        found = re.search(rf"{re.escape(label)}: (\S+)", self.output)
        assert found is not None, f"{label} is not in {self.output}"
        return float(found.group(1))

    @property
    def error_text(self) -> str:
        """The errors as one line without the frames that are drawn around them."""
        return " ".join(re.sub("[│╭╮╰╯─]", " ", self.errors).split())


def run(program: str, *arguments: str, folder: Path) -> Run:
    """Runs a program of this repository, by its path, for a user who is in `folder`."""
    command = [str(Path(program).absolute()), *arguments]
    environment = {**os.environ, "BUILD_WORKING_DIRECTORY": str(folder)}
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return Run(process.returncode, process.stdout, process.stderr)


def succeed(program: str, *arguments: str, folder: Path) -> Run:
    """The same for a run that must end well."""
    ended = run(program, *arguments, folder=folder)
    assert ended.status == 0, ended.errors
    return ended


def call(app: typer.Typer, *arguments: str, folder: Path) -> Run:
    """Runs a program in this process, which saves importing torch; an error that it does not report is raised."""
    result = CliRunner(env={"BUILD_WORKING_DIRECTORY": str(folder)}).invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Run(result.exit_code, result.stdout, result.stderr)


def check_refusal(app: typer.Typer, arguments: list[str], status: int, message: str, folder: Path) -> None:
    """Fails the test unless the program ends with that status and that message, without a traceback."""
    ended = call(app, *arguments, folder=folder)
    assert ended.status == status
    assert message in ended.error_text.replace(f"{folder}/", "")
    assert "Traceback" not in ended.errors


def check_help(app: typer.Typer, *options: str, folder: Path) -> None:
    """Fails the test unless the program's help names the options."""
    ended = call(app, "--help", folder=folder)
    assert ended.status == 0
    assert all(option in ended.output for option in options)
