"""Formats the source tree: C++ with clang-format, Python with ruff, and mends what ruff's rules can mend.

    bazel run //:format

The checks in //tests/lint hold the same; they say what is left.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from toolchains.developer import source_tree


def format_tree(root: Path) -> int:
    """Formats every file of ours below `root`. Returns 0, or 1 if something is left that a person must mend."""
    cpp = source_tree.files(root, source_tree.CPP)
    python = source_tree.files(root, source_tree.PYTHON)
    commands = []
    if cpp:
        commands.append([str(source_tree.CLANG_FORMAT), "-i", *cpp])
    if python:
        ruff = [sys.executable, "-m", "ruff"]
        commands.append([*ruff, "check", "--fix", "--no-cache", "--quiet", *python])
        commands.append([*ruff, "format", "--no-cache", "--quiet", *python])
    codes = [subprocess.run(command, cwd=root, check=False).returncode for command in commands]
    print(f"formatted {len(cpp)} C++ files and {len(python)} Python files")
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(format_tree(source_tree.workspace()))
