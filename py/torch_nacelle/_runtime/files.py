"""Writes a file whole or not at all."""

import os
from contextlib import AbstractContextManager
from pathlib import Path

from nacelle_cli import files
from torch_nacelle._runtime import checks


def replacing(path: str | os.PathLike[str]) -> AbstractContextManager[Path]:
    """Gives a file to write, which replaces `path` if the block ends without an error; see ``files.replacing``.

    Raises:
        InputError: `path` is no path.
        OSError: It cannot be written; the message names it.
    """
    return files.replacing(checks.destination(path))
