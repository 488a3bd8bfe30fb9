"""The command line as its users have it: through bash, in a pipe or on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The command that the console script runs, without the script.
_NACELLE = f'{shlex.quote(sys.executable)} -c "from nacelle_cli.app import main; main()"'
_SECONDS = 600  # ends what hangs


@dataclass
class Outcome:
    """The exit status and output of a script; on a terminal all output is in `out`."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def words(self) -> str:
        """The words of an output: without frames, styles and line ends."""
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.out + self.err)
        return " ".join(plain.replace("│", " ").split())


def _environment(changes: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return kept | {"PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm-256color"} | changes


def _command(script: str) -> list[str]:
    return ["bash", "-c", f'nacelle() {{ {_NACELLE} "$@"; }}\n{script}']


def pipe(script: str, folder: Path, **environment: str) -> Outcome:
    """Runs a script of bash in `folder` with the command `nacelle`; its output goes into pipes."""
    result = subprocess.run(
        _command(script),
        cwd=folder,
        env=_environment(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_SECONDS,
        check=False,
    )
    return Outcome(result.returncode, result.stdout.decode(), result.stderr.decode())


def terminal(script: str, folder: Path, columns: int = 100, **environment: str) -> Outcome:
    """The same on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    size = {"COLUMNS": str(columns), "LINES": "50"}
    process = subprocess.Popen(
        _command(script), cwd=folder, env=_environment(size | environment), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    try:
        shown = _read_all(ours)
        return Outcome(process.wait(timeout=_SECONDS), shown.decode().replace("\r\n", "\n"), "")
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _read_all(terminal_end: int) -> bytes:
    """Everything until the other end is closed, which reading tells as an error."""
    shown = b""
    while select.select([terminal_end], [], [], _SECONDS)[0]:
        try:
            block = os.read(terminal_end, 1 << 16)
        except OSError:
            break
        if not block:
            break
        shown += block
    return shown
