"""The standard streams of the process: open, able to print any text, and flushed while an error can still be told."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_STANDARD = (
    ("stdin", os.O_RDONLY),
    # A read-only file takes no output, and says so: no other file gets number 1, and nothing is lost in silence.
    ("stdout", os.O_RDONLY),
    ("stderr", os.O_WRONLY),
)


def prepare() -> None:
    """Makes the standard streams usable, however the process was started.

    A stream that was closed (``>&-``) gets the null device, since the next file that is opened would have its number.
    Characters that a stream's encoding lacks are printed as escapes.
    """
    for number, (name, flags) in enumerate(_STANDARD):
        _open(number, flags)
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - for the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.buffer.fileno() == 1:
        former = sys.stdout
        sys.stdout = _Output(
            former.detach(), encoding=former.encoding, errors=former.errors, line_buffering=former.line_buffering
        )


class _Output(io.TextIOWrapper):
    """Standard output: an error says that it is its own, and comes once."""

    def write(self, text: str) -> int:
        """Writes as any stream does; see ``flush``."""
        with _told():
            return super().write(text)

    def flush(self) -> None:
        """Writes out what was printed.

        Raises:
            BrokenPipeError: Its reader has gone.
            OSError: It cannot be written; the message says so.
        """
        with _told():
            super().flush()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # The rest goes to the null device: Python would try to write it at its end, and print that it cannot.
        with contextlib.suppress(OSError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.close(null)
        if isinstance(error, BrokenPipeError):
            raise
        raise OSError(f"standard output cannot be written: {error.strerror}") from None


def _open(number: int, flags: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, flags)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        os.set_inheritable(number, True)
