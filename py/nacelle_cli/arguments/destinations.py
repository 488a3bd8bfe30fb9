"""Destinations of commands: arguments that name files to write, and their checks before the work."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from nacelle_cli import files


def parse(text: str) -> Path:
    """Reads the path of a file to write; an empty path, and a folder's, are wrong usage.

    The text is checked, since a Path drops a slash at the end and takes an empty text for the current folder.
    """
    if not text:
        raise typer.BadParameter("the path is empty; name the file to write")
    if text.endswith("/"):
        raise typer.BadParameter(f"{text} ends with /, and so names a folder; name a file in it")
    return Path(text)


def parse_or_folder(text: str) -> Path:
    """Reads the path of a file or a folder to write; an empty path is wrong usage."""
    return parse(text.rstrip("/") or text)


def check(path: Path | None) -> None:
    """Raises OSError if `path` cannot be written; call it before the work."""
    if path is not None:
        files.check(path)


def check_folder(path: Path) -> None:
    """Raises OSError if `path` is no folder and none can be made there."""
    if not path.is_dir():
        files.check(path)
        if os.path.lexists(path):
            raise NotADirectoryError(
                f"cannot write {path}: it is no folder, and a name without .npz or .npy at its end is a folder's"
            )
