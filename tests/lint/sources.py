"""The source tree as the checks see it: every file that git tracks or would track."""

from __future__ import annotations

import os
import subprocess
from functools import lru_cache
from pathlib import Path

from toolchains.developer import source_tree

ROOT = Path(os.environ["NACELLE_SOURCES"])
CACHE = Path(os.environ["NACELLE_CACHE"])


@lru_cache
def _files(suffixes: tuple[str, ...]) -> list[str]:
    return source_tree.files(ROOT, suffixes)


def with_suffix(*suffixes: str) -> list[str]:
    """Returns the files whose names end so, relative to ROOT; at least one, or the check would check nothing."""
    found = _files(suffixes)
    assert found, f"no file in {ROOT} ends with {suffixes}"
    return found


def run(*command: str) -> None:
    """Runs a program in the source tree; its output is the failure's message."""
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command[:4]} …\n{result.stdout}{result.stderr}"
