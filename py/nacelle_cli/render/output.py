"""Output of the commands: facts on standard output, everything else on standard error.

On a terminal there are colours (unless ``NO_COLOR`` is set) and lines are as wide as it is; in a pipe there are neither
colours nor line breaks that the text does not have, so that grep finds what it looks for.

Every text passes one filter on its way out, ``_Filtered``: names of a file may hold what a terminal would obey. Styles
and the progress bar are made after it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.text import Text

from nacelle_cli import files
from nacelle_cli.reading.texts import printable_lines

# Wide enough that nothing is wrapped in a pipe.
_UNWRAPPED = 1_000_000

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def stdout(*, beside: Path | None = None) -> Console:
    """A console for facts. Square brackets are printed as they are: style what needs it with rich's Text.

    Args:
        beside: The file that the command wrote. If it is standard output itself, the facts go to standard error, so
            that a reader of the file gets the file alone.
    """
    return _console(_stream(beside))


def stderr() -> Console:
    """A console for messages and progress."""
    return _console(sys.stderr)


def _stream(beside: Path | None) -> TextIO:
    return sys.stderr if beside is not None and files.is_standard_output(beside) else sys.stdout


def _console(file: TextIO) -> Console:
    width = None if file.isatty() else _UNWRAPPED
    return _Filtered(file=file, width=width, markup=False, highlight=False, emoji=False)


class _Filtered(Console):
    """A console whose texts hold nothing that a terminal obeys: escapes come from styles and controls of rich alone."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Renders, and escapes the text of each segment."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(printable_lines(segment.text), segment.style)


def complain(message: str) -> None:
    """Prints a message about a failure on standard error."""
    stderr().print(Text.assemble(("nacelle: ", "bold red"), message), soft_wrap=True)


def note(message: str) -> None:
    """Prints a note beside the facts, on standard error."""
    stderr().print(Text(message, style="dim"), soft_wrap=True)


def print_json(value: Any, *, beside: Path | None = None) -> None:
    """Prints a value as JSON, and nothing else: in ASCII, without control characters; `beside` as for ``stdout``."""
    stream = _stream(beside)
    stream.write(json.dumps(value, indent=2).replace("\x7f", "\\u007f") + "\n")
    stream.flush()


@contextmanager
def progress(what: str, total: int | None = None, *, in_bytes: bool = False) -> Iterator[Callable[[int], None]]:
    """Shows the progress of long work on standard error; nothing if that is no terminal.

        with output.progress("Hashing plans", total=size, in_bytes=True) as advance:
            for block in blocks:
                advance(len(block))

    Args:
        what: The work, for a person.
        total: The number of steps or bytes; None if it is not known.
        in_bytes: True if the steps are bytes.

    Yields:
        A function that is told how many steps were done.
    """
    console = stderr()
    columns = [SpinnerColumn(), TextColumn("{task.description}")]
    counted = [BarColumn(), DownloadColumn() if in_bytes else TextColumn("{task.completed}/{task.total}")]
    shown = columns + ([*counted, TimeRemainingColumn()] if total is not None else [])
    with Progress(*shown, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(printable_lines(what), total=total)
        yield lambda steps: bar.advance(task, steps)


def with_article(noun: str) -> str:
    """``"an exported program"``, ``"a plan"``, ``"an ultralytics engine"``."""
    return f"{'an' if noun[0] in 'aeouAEO' else 'a'} {noun}"


def size_text(size: int) -> str:
    """A number of bytes for a person: ``"512 bytes"``, ``"1.5 KiB"``, ``"100.0 MiB"``."""
    if size < 1024:
        return f"{size} byte" if size == 1 else f"{size} bytes"
    value = float(size)
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if value < 1024:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} TiB"
