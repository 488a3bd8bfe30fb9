"""Destinations of commands: the arguments that name files to write, and the checks of them before the work."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from nacelle_cli import files


def parse(text: str) -> Path:
    """Reads the path of a file to write; an empty one, and a folder's, are wrong usage.

    A Path would not tell them: it drops a slash at the end, and an empty one is the current folder.
    """
    if not text:
        raise typer.BadParameter("the path is empty; name the file to write")
    if text.endswith("/"):
        raise typer.BadParameter(f"{text} ends with /, and so names a folder; name a file in it")
    return Path(text)


def parse_or_folder(text: str) -> Path:
    """Reads the path of a file or a folder to write; an empty one is wrong usage."""
    return parse(text.rstrip("/") or text)


def check(path: Path | None) -> None:
    """Raises OSError if `path` is nothing that can be written: before the work, and not after it."""
    if path is not None:
        files.check(path)


def check_folder(path: Path) -> None:
    """Raises OSError if `path` is neither a folder nor can be made one."""
    if not path.is_dir():
        files.check(path)
        if os.path.lexists(path):
            raise NotADirectoryError(
                f"cannot write {path}: it is no folder, and a name without .npz or .npy at its end is a folder's"
            )
