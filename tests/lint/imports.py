"""Reads the import statements of Python files, and says where they break the rules between the parts.

- Modules in py/ have no import circles: imports inside functions and under TYPE_CHECKING count.
- FORBIDDEN says what the files of a folder must not import.
- The private folders of torch_nacelle are ROOMS: a room knows itself and the rooms before it.
- Names of torch_nacelle that begin with an underscore are its own. Only tests of a room import them: a test below
  tests/py/ROOM may import what ROOM may.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("nacelle_cli", "nacelle_core", "onnx_to_torchscript", "torch_nacelle")
ROOMS = ("_runtime", "_programs", "_export", "_models", "_check", "_build", "_saving", "_bench", "_serving")

# Ray is an extra, and its module is imported by those who want it.
_RAY = r"(ray|torch_nacelle\.ray)\b"

# A folder or a file, and what no file below it may import.
FORBIDDEN = (
    ("py/nacelle_cli/reading", r"(torch|torch_nacelle|onnx|onnx_to_torchscript)\b|nacelle_cli\.(?!reading\b)"),
    ("py/nacelle_core", r"(torch|torch_nacelle|onnx|onnx_to_torchscript|nacelle_cli)\b"),
    ("py/onnx_to_torchscript", r"(torch_nacelle|nacelle_core|nacelle_cli)\b"),
    ("py/nacelle_cli", _RAY),
    ("py/torch_nacelle/__init__.py", _RAY),
    ("py/torch_nacelle/_", _RAY),
    ("py/torch_nacelle/_", r"nacelle_cli\.(?!reading\b|files\b|folders\b|exported\b)"),
)

# Folders whose files import nothing private of torch_nacelle.
OUTSIDE = ("bench", "docs", "examples", "py/nacelle_cli", "py/onnx_to_torchscript", "tests", "toolchains")

_TESTS = "tests/py"
_EXAMPLES = "tests/lint/imports_rules_test.py"  # what these rules find, written down
_PRIVATE = re.compile(r"torch_nacelle\.(_(?!_)\w+)")
_PRIVATE_IN_TEXT = re.compile(r"\btorch_nacelle\.(_(?!_)\w+)|\bfrom torch_nacelle import (_(?!_)\w+)")


@dataclass(frozen=True)
class Import:
    """An import statement's target: a module in full, or a name in a module."""

    line: int
    target: str


def modules(root: Path) -> dict[str, Path]:
    """Returns the modules of the packages in py/ by their names; a stub stands for an extension module."""
    found: dict[str, Path] = {}
    for package in PACKAGES:
        for path in [*(root / "py" / package).rglob("*.pyi"), *(root / "py" / package).rglob("*.py")]:
            name = ".".join(path.relative_to(root / "py").with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imports(path: Path) -> list[Import]:
    """Returns everything that a file imports: ``a.b.c`` for ``from a.b import c``."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [Import(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}:{node.lineno}: the import is relative; wanted the module's full name")
            found += [Import(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def _graph(root: Path) -> dict[str, set[str]]:
    """Returns for each module the modules that it imports; the packages that they are in do not count."""
    known = modules(root)
    graph: dict[str, set[str]] = {}
    for name, path in known.items():
        targets = [one.target for one in imports(path)]
        graph[name] = {
            target if target in known else parent
            for target in targets
            if target in known or (parent := target.rpartition(".")[0]) in known
        }
    return graph


def circles(root: Path) -> list[str]:
    """Returns a line for each circle of imports: ``a -> b -> a``, each from its first module by name."""
    graph = _graph(root)
    found = set()
    for start in sorted(graph):
        way = _way(graph, start, start)
        if way is not None:
            first = way.index(min(way))
            way = way[first:] + way[:first]
            found.add(" -> ".join([*way, way[0]]))
    return sorted(found)


def _way(graph: dict[str, set[str]], start: str, end: str) -> list[str] | None:
    """Returns a shortest way along the imports from a module to another, without the latter; None if there is none."""
    waiting, seen = [[start]], set()
    while waiting:
        way = waiting.pop(0)
        for module in sorted(graph[way[-1]]):
            if module == end:
                return way
            if module not in seen:
                seen.add(module)
                waiting.append([*way, module])
    return None


def _files(root: Path, folder: str) -> Iterator[Path]:
    """Yields the Python files of a folder, or a file; a name that is not whole stands for all folders that begin so."""
    parent, _, start = folder.rpartition("/")
    for path in sorted((root / parent).glob(f"{start}*") if folder.endswith("_") else [root / folder]):
        yield from [path] if path.is_file() and not folder.endswith("_") else sorted(path.rglob("*.py"))


def forbidden(root: Path) -> list[str]:
    """Returns a line for each import that goes against the direction of the parts."""
    wrong = []
    for folder, pattern in FORBIDDEN:
        for path in _files(root, folder):
            for one in imports(path):
                if re.match(pattern, one.target):
                    wrong.append(f"{path.relative_to(root)}:{one.line}: {folder} must not import {one.target}")
    for room in ROOMS:
        for path in _files(root, f"py/torch_nacelle/{room}"):
            for one in imports(path):
                match = _PRIVATE.match(one.target)
                if match and match[1] not in _known_to(room):
                    wrong.append(f"{path.relative_to(root)}:{one.line}: {room} must not import {one.target}")
    return wrong


def _known_to(room: str) -> tuple[str, ...]:
    """Returns the private names of torch_nacelle that a room may import."""
    return (*ROOMS[: ROOMS.index(room) + 1], "_C")


def private(root: Path) -> list[str]:
    """Returns a line for each private name of torch_nacelle that other parts import, or name in a text."""
    wrong = []
    for folder in OUTSIDE:
        for path in _files(root, folder):
            name = str(path.relative_to(root))
            if name == _EXAMPLES:
                continue
            rest = name.removeprefix(f"{_TESTS}/").split("/")
            allowed = _known_to(rest[0]) if name.startswith(_TESTS) and rest[0] in ROOMS else ()
            for line, found in _private_names(path):
                if found not in allowed:
                    wrong.append(f"{name}:{line}: torch_nacelle.{found} is private; use a public name")
    return wrong


def _private_names(path: Path) -> Iterator[tuple[int, str]]:
    """Yields the private names of torch_nacelle that a file imports, reads as attributes, or has in its texts."""
    for one in imports(path):
        match = _PRIVATE.match(one.target)
        if match:
            yield one.line, match[1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in ("nacelle", "torch_nacelle") and re.match(r"_(?!_)", node.attr):
                yield node.lineno, node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            for match in _PRIVATE_IN_TEXT.finditer(node.value):
                yield node.lineno, match[1] or match[2]
