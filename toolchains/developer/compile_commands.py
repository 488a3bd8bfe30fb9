"""Writes compile_commands.json and .clangd, so that editors understand the C++ of the source tree.

    bazel build //... && bazel run //:compile_commands

The build comes first: headers that are made by it must be there. Options after ``--`` go to Bazel, for instance
``--config=local_torch``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from toolchains.developer import source_tree

# clangd reads the commands as clang would; it does not know these flags of g++.
_FLAGS_OF_GCC = (
    "-fno-canonical-system-headers",
    "-fpch-deps",
    "-Wno-maybe-uninitialized",
    "-Wno-free-nonheap-object",
    "-Wunused-but-set-parameter",
)
_CLANGD = f"CompileFlags:\n  Remove: [{', '.join(_FLAGS_OF_GCC)}]\n"


def commands(actions: Any, root: Path, output_base: Path) -> list[dict[str, Any]]:
    """Returns the entries of compile_commands.json for the JSON of ``bazel aquery``.

    The commands run in the source tree, whose ``bazel-out`` leads to generated headers. Other repositories are named by
    their full paths, since Bazel takes their links away when a build needs them not.

    Args:
        actions: Its output, parsed.
        root: The source tree.
        output_base: Bazel's folder of that name, which holds the other repositories.
    """
    entries = []
    for action in actions.get("actions", []):
        arguments = action.get("arguments", [])
        if "-c" not in arguments:
            continue
        source = arguments[arguments.index("-c") + 1]
        arguments = [f"{output_base}/{text}" if text.startswith("external/") else text for text in arguments]
        entries.append({"directory": str(root), "file": source, "arguments": arguments})
    return sorted(entries, key=lambda entry: str(entry["file"]))


def _bazel(root: Path, *arguments: str) -> str:
    program = shutil.which("bazel") or shutil.which("bazelisk")
    if program is None:
        raise SystemExit("there is no bazel on PATH; ./bazelw installs it")
    done = subprocess.run([program, *arguments], cwd=root, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"bazel {arguments[0]} failed:\n{done.stderr}")
    return done.stdout


def main(root: Path, options: Iterable[str]) -> int:
    """Writes both files into `root`. Returns 0."""
    options = list(options)
    output_base = Path(_bazel(root, "info", *options, "output_base").strip())
    query = 'mnemonic("CppCompile", //...)'
    entries = commands(json.loads(_bazel(root, "aquery", *options, "--output=jsonproto", query)), root, output_base)
    for name, text in (("compile_commands.json", json.dumps(entries, indent=1) + "\n"), (".clangd", _CLANGD)):
        temporary = root / f"{name}.tmp"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(root / name)
    print(f"wrote compile_commands.json ({len(entries)} files) and .clangd")
    return 0


if __name__ == "__main__":
    sys.exit(main(source_tree.workspace(), sys.argv[1:]))
