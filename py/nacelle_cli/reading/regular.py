"""Files that can be read twice, and end: everything else is refused before it is opened."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from nacelle_cli.reading.errors import ReadingError


def check(path: Path) -> None:
    """Refuses a pipe, whose open would wait for a writer, a device, which may never end, and a socket.

    Raises:
        ReadingError: `path` is none of a file and a folder.
        OSError: It cannot be looked at; FileNotFoundError if it is not there.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise ReadingError(f"{path} cannot be read twice, since it is a pipe or a device; copy it into a file first")


def exists(path: Path) -> bool:
    """True if `path` is a file; False if nothing or a folder is there.

    Raises:
        ReadingError: It is a pipe, a device or a socket.
    """
    if not path.exists():
        return False
    check(path)
    return path.is_file()
