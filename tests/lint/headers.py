"""Says which headers are not known to compile alone.

A header compiles alone if it is the first include of a file that is compiled: of its own .cc, or, for a header without
one, of the file that nacelle_header_check() makes for it. So every build checks it, and hardly anything is compiled for
the check alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.lint import layers

# Headers that are data: what a tool reads in its test, and no part of a program.
DATA = "tests/data/"


def first_includes(root: Path) -> Iterator[str]:
    """Yields what the compiled files of a source tree include first."""
    for target in layers.targets(root):
        for name in target.files:
            if name.endswith(".cc") and (root / name).is_file():
                yield from layers.includes(root / name)[:1]


def checked(root: Path) -> Iterator[str]:
    """Yields the headers that a nacelle_header_check() lists."""
    for top in layers.OURS:
        for build in (root / top).rglob("BUILD"):
            for node in ast.walk(ast.parse(build.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "nacelle_header_check":
                    for name in ast.literal_eval(next(word.value for word in node.keywords if word.arg == "hdrs")):
                        yield str(build.parent.relative_to(root) / name)


def not_alone(root: Path, headers: list[str]) -> list[str]:
    """Returns a line for each of the headers that nothing compiles alone."""
    alone = {*first_includes(root), *checked(root)}
    return [
        f"{header}: its .cc does not include it first, and no nacelle_header_check() lists it"
        for header in headers
        if header not in alone and not header.startswith(DATA)
    ]
