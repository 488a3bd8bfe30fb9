"""Reads the BUILD files and the #include lines, and lists the lines that break the rules between the parts.

The rules are FORBIDDEN and FORBIDDEN_DEPS below. core knows neither torch nor Python. reference and runtime know core
and not each other. py knows all of them, but for py/nacelle_core, which knows core and the plan format of reference.
Examples know the public headers of runtime alone.

Every header of ours that a target includes is of the target or of one of its direct dependencies; a target without
files (//runtime) stands for its dependencies.

BUILD files are read as the Python that they resemble: top-level calls whose lists are written out, or are a glob().
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

OURS = ("bench", "core", "examples", "py", "reference", "runtime", "tests", "third_party", "toolchains")

# A folder, and what no file below it may include.
FORBIDDEN = (
    ("core", r"(reference|runtime|py)/|(torch|ATen|c10|pybind11)/|Python\.h"),
    ("core/plan", r"core/(record|device|tensorrt)/"),
    ("core/record", r"core/tensorrt/"),
    ("core/device", r"core/(tensorrt|record|plan)/"),
    ("examples", r"runtime/internal/|reference/|core/(?!error\.h)"),
    ("py/nacelle_core", r"runtime/|reference/(?!plan\.h)|py/csrc/(?!without_gil\.h)|(torch|ATen|c10)/"),
    ("reference", r"(runtime|py)/|pybind11/|Python\.h"),
    ("runtime", r"(reference|py)/|pybind11/|Python\.h"),
    ("tests/cmake", r"runtime/internal/|reference/"),
    ("tests/core", r"(reference|runtime|py)/|(torch|ATen|c10|pybind11)/|Python\.h"),
    ("tests/downstream", r"runtime/internal/|reference/"),
)

# A folder, and what no target in it may depend on.
FORBIDDEN_DEPS = (
    ("core", r"//(reference|runtime|py)\b|@torch//|@python//"),
    ("core/plan", r"//core/(record|device|tensorrt)\b"),
    ("core/record", r"//core/tensorrt\b"),
    ("core/device", r"//core/(tensorrt|record|plan)\b"),
    ("examples", r"//runtime/internal\b|//reference\b"),
    ("py/nacelle_core", r"//runtime\b|//reference\b(?!:plan$)|//py/csrc(?!:without_gil$)|@torch//"),
    ("reference", r"//(runtime|py)\b|@python//"),
    ("runtime", r"//(reference|py)\b|@python//"),
    ("tests/core", r"//(reference|runtime|py)\b|@torch//"),
)

_INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', re.MULTILINE)


@dataclass
class Target:
    """A C++ target: its label, the files of ours that it compiles, the headers that it owns, its dependencies.

    Headers in its textual_hdrs are its own too; their includes are not checked, since a guard may hide them.
    """

    label: str
    files: list[str] = field(default_factory=list)
    headers: set[str] = field(default_factory=set)
    deps: set[str] = field(default_factory=set)


def includes(path: Path) -> list[str]:
    """Returns what a C++ file includes, in order."""
    return _INCLUDE.findall(path.read_text(encoding="utf-8"))


def absolute(label: str, package: str) -> str:
    """Returns a label in full: //package:name."""
    if label.startswith("@"):
        return label
    if label.startswith("//"):
        return label if ":" in label else f"{label}:{label.rsplit('/', 1)[-1].lstrip('/')}"
    return f"//{package}:{label.removeprefix(':')}"


def _strings(node: ast.expr | None, folder: Path) -> list[str]:
    """Returns the strings of an expression: a list, glob(), or a sum of these."""
    if node is None:
        return []
    if isinstance(node, ast.BinOp):
        return _strings(node.left, folder) + _strings(node.right, folder)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "glob":
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        excluded = {path for pattern in _strings(keywords.get("exclude"), folder) for path in folder.glob(pattern)}
        found = {path for pattern in ast.literal_eval(node.args[0]) for path in folder.glob(pattern)}
        return sorted(str(path.relative_to(folder)) for path in found - excluded)
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return []
    return [value] if isinstance(value, str) else list(value)


def _file(label: str, package: str) -> str:
    """Returns the path that a label of a file stands for."""
    folder, name = absolute(label, package).removeprefix("//").split(":")
    return f"{folder}/{name}" if folder else name


def _target(call: ast.Call, package: str, folder: Path) -> Target | None:
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    rule = call.func.id if isinstance(call.func, ast.Name) else ""
    names = _strings(keywords.get("name"), folder)
    if "cc_" not in rule or not names:
        return None
    headers = [_file(label, package) for label in _strings(keywords.get("hdrs"), folder)]
    sources = [_file(label, package) for label in _strings(keywords.get("srcs"), folder)]
    textual = [_file(label, package) for label in _strings(keywords.get("textual_hdrs"), folder)]
    deps = {absolute(label, package) for label in _strings(keywords.get("deps"), folder)}
    return Target(absolute(names[0], package), sources + headers, {*headers, *textual}, deps)


def targets(root: Path) -> Iterator[Target]:
    """Yields the C++ targets of a source tree."""
    for top in OURS:
        for build in sorted((root / top).rglob("BUILD")):
            package = str(build.parent.relative_to(root))
            for statement in ast.parse(build.read_text(encoding="utf-8")).body:
                if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
                    target = _target(statement.value, package, build.parent)
                    if target is not None:
                        yield target


def direct_deps(target: Target, by_label: dict[str, Target]) -> set[str]:
    """Returns a target's dependencies, and those that a dependency without files stands for."""
    found: set[str] = set()
    waiting = list(target.deps)
    while waiting:
        label = waiting.pop()
        if label not in found:
            found.add(label)
            known = by_label.get(label)
            if known is not None and not known.files:
                waiting += known.deps
    return found


def missing_deps(root: Path) -> list[str]:
    """Returns a line for each header of ours that a target includes and has no dependency for."""
    by_label = {target.label: target for target in targets(root)}
    owners: dict[str, set[str]] = {}
    for target in by_label.values():
        for header in target.headers:
            owners.setdefault(header, set()).add(target.label)
    wrong = []
    for target in by_label.values():
        deps = direct_deps(target, by_label)
        for name in (name for name in target.files if (root / name).is_file()):
            for header in includes(root / name):
                own = header in target.files or header in target.headers
                if own or header.split("/")[0] not in OURS or owners.get(header, set()) & deps:
                    continue
                wanted = " or ".join(sorted(owners.get(header, set()))) or "a target that has it in hdrs"
                wrong.append(f"{target.label}: {name} includes {header}; deps should have {wanted}")
    return wrong


def forbidden_includes(root: Path) -> list[str]:
    """Returns a line for each include that goes against the direction of the layers."""
    wrong = []
    for folder, pattern in FORBIDDEN:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".cc", ".h"):
                names = [name for name in includes(path) if re.match(pattern, name)]
                wrong += [f"{path.relative_to(root)}: {folder} must not include {name}" for name in names]
    return wrong


def forbidden_deps(root: Path) -> list[str]:
    """Returns a line for each dependency that goes against the direction of the layers."""
    wrong = []
    for target in targets(root):
        package = target.label.removeprefix("//").split(":")[0]
        for folder, pattern in FORBIDDEN_DEPS:
            if package == folder or package.startswith(folder + "/"):
                found = sorted(dep for dep in target.deps if re.match(pattern, dep))
                wrong += [f"{target.label}: {folder} must not depend on {dep}" for dep in found]
    return wrong
