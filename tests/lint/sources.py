"""The source tree as the checks see it: every file that git tracks or would track."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

ROOT = Path(os.environ["NACELLE_SOURCES"])
CACHE = Path(os.environ["NACELLE_CACHE"])


@lru_cache(maxsize=1)
def _files() -> tuple[Path, ...]:
    if (ROOT / ".git").exists():
        command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
        found = {Path(name) for name in names if name}
    else:
        found = {path.relative_to(ROOT) for path in _walk(ROOT)}
    return tuple(sorted(path for path in found if (ROOT / path).is_file() and not (ROOT / path).is_symlink()))


def _walk(folder: Path) -> Iterable[Path]:
    """Yields the files of an unpacked source archive, without what Bazel leaves in it."""
    for path in folder.iterdir():
        if path.is_symlink() or path.name in ("__pycache__", ".gpu"):
            continue
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


def with_suffix(*suffixes: str) -> list[str]:
    """Returns the files whose names end so, relative to ROOT; at least one, or the check would check nothing."""
    found = [str(path) for path in _files() if path.name.endswith(suffixes)]
    assert found, f"no file in {ROOT} ends with {suffixes}"
    return found


def run(*command: str) -> None:
    """Runs a program in the source tree; its output is the failure's message."""
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command[:4]} …\n{result.stdout}{result.stderr}"
