"""Where commands write."""

from __future__ import annotations

from pathlib import Path

from torch_nacelle_cli.failures import CommandError


def check_folder(path: Path | None) -> None:
    """Raises CommandError where there is no folder to write `path` into: before the work, and not after it."""
    if path is not None and not path.parent.is_dir():
        raise CommandError(f"cannot write {path}: there is no folder {path.parent}")
    if path is not None and path.suffix and path.is_dir():
        raise CommandError(f"cannot write {path}: it is a folder")
