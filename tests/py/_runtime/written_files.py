"""Writes files as the package does, for tests of what is left in their place."""

import contextlib
import os
import tty
from collections.abc import Iterator
from pathlib import Path

from torch_nacelle._runtime.files import replacing

NEW = b"new content"


def write(path: "str | os.PathLike[str]", content: bytes = NEW) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@contextlib.contextmanager
def terminal() -> Iterator[tuple[str, int]]:
    """A character device, and the end that reads what is written to it.

    A terminal: nothing can take its place, so that a fault here costs the machine no device.
    """
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    yield os.ttyname(theirs), ours
    for descriptor in (ours, theirs):
        with contextlib.suppress(OSError):
            os.close(descriptor)
