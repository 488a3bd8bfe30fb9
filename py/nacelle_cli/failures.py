"""Turns errors into messages and exit codes; no other module does.

Exit codes: 0 fine; 1 the answer is no, or it failed; 2 wrong usage; 130 interrupted.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

import nacelle_core
from nacelle_cli.reading.texts import from_bytes, printable_lines
from nacelle_cli.render import output

FAILED = 1
INTERRUPTED = 130
_LONGEST_MESSAGE = 1 << 14


class CommandError(Exception):
    """Something that a person should know, in one paragraph: what was found, what was wanted, what to do next.

    The command line raises it for faults that it finds by itself, without torch_nacelle and so without its errors.
    """


class Answer(Exception):  # noqa: N818 - it is no error
    """The command succeeded, and its answer is no: exit code 1, and nothing more is printed."""


def wrong_usage(message: str) -> NoReturn:
    """Ends the command as one that was used wrongly: the message with the usage, exit code 2."""
    raise typer.BadParameter(printable_lines(message))


@contextmanager
def reported() -> Iterator[None]:
    """Turns an exception within the block into a message on standard error and an exit code."""
    try:
        yield
    except Answer:
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        output.complain("interrupted")
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        message = message_of(error)
        if message is None:
            raise
        output.complain(message)
        raise typer.Exit(FAILED) from None


def message_of(error: Exception) -> str | None:
    """The message of an error for a person; None if it is a mistake in the program, or not ours to report."""
    if isinstance(error, CommandError | nacelle_core.Error | ImportError):
        return str(error)
    if isinstance(error, UnicodeDecodeError):  # a message of torch that is not UTF-8, on its way to Python
        return from_bytes(error.object[:_LONGEST_MESSAGE])
    if isinstance(error, MemoryError):
        return "there is not enough memory for this"
    if isinstance(error, OSError) and error.errno != errno.EPIPE:
        return _of_os_error(error)
    return None


def _of_os_error(error: OSError) -> str:
    if error.errno is None or error.strerror is None:
        return str(error)
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    return ": ".join([" -> ".join(names), error.strerror]) if names else error.strerror
