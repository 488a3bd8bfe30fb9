"""Files that are there whole or not at all, as ``torch_nacelle._files`` writes them, without the import of torch."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from torch_nacelle_cli.failures import CommandError


def write_text(path: Path, text: str) -> None:
    """Writes a text under a temporary name beside `path`, and moves it there when it is whole.

    Raises:
        CommandError: There is no such folder.
        OSError: The file cannot be written; `path` is as it was.
    """
    if not path.parent.is_dir():
        raise CommandError(f"cannot write {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise CommandError(f"cannot write {path}: it is a folder; name a file in it")
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    """What a new file's permissions lack; asking means setting, for a moment."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
