"""Files that are there whole or not at all."""

import os
from contextlib import AbstractContextManager
from pathlib import Path

from nacelle_cli import files
from torch_nacelle._runtime import checks


def replacing(path: str | os.PathLike[str]) -> AbstractContextManager[Path]:
    """Gives a file to write, which takes the place of `path` when the block ends well; see ``files.replacing``.

    Raises:
        InputError: `path` is no path.
        OSError: It cannot be written; the message names it.
    """
    return files.replacing(checks.destination(path))
