"""The source tree that a developer works in, and the tools that format it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import clang_format

CLANG_FORMAT = Path(clang_format.__file__).parent / "data" / "bin" / "clang-format"
CPP = (".cc", ".h")
PYTHON = (".py", ".pyi")


def workspace() -> Path:
    """Returns the folder of the source tree that ``bazel run`` was called in.

    Raises:
        SystemExit: The program was not started by ``bazel run``.
    """
    folder = os.environ.get("BUILD_WORKSPACE_DIRECTORY")
    if not folder:
        raise SystemExit("started without Bazel; use bazel run")
    return Path(folder)


def files(root: Path, suffixes: Iterable[str]) -> list[str]:
    """Returns the regular files below `root` with one of the suffixes, relative to it and sorted.

    In a git checkout these are the files that git tracks or would track, else all files but those of Bazel and caches.
    """
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
        found = {Path(name) for name in names if name}
    else:
        found = {path.relative_to(root) for path in _walk(root)}
    ends = tuple(suffixes)
    return sorted(
        str(path)
        for path in found
        if path.name.endswith(ends) and (root / path).is_file() and not (root / path).is_symlink()
    )


def _walk(folder: Path) -> Iterable[Path]:
    for path in folder.iterdir():
        if path.is_symlink() or path.name in ("__pycache__", ".gpu"):
            continue
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path
