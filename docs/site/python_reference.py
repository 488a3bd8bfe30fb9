"""The reference of the Python package: a page that has mkdocstrings print every public name's docstring."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = "torch_nacelle"


def public_names(module: Path) -> list[str]:
    """Returns `__all__` of a module's file, which is read and not run; nothing if it has none."""
    for statement in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            return list(ast.literal_eval(statement.value))
    return []


def _kind(name: str) -> str:
    """Returns the part of the page that a name belongs to, as its form tells."""
    if name.endswith("Error"):
        return "Errors"
    if name.isupper() or name.startswith("__") or name == "cmake_prefix_path":
        return "Constants"
    return "Functions" if name[0].islower() else "Classes"


def page(package: Path) -> str:
    """Returns the page: a directive for each public name, by kind."""
    names = sorted(public_names(package / "__init__.py"), key=str.lower)
    if not names:
        raise ValueError(f"{package}/__init__.py has no __all__")
    lines = [
        "# Python reference",
        "",
        "What `import torch_nacelle as nacelle` offers, from the docstrings. [The Python package](python.md) is the "
        "same at a glance.",
    ]
    for kind in ("Functions", "Classes", "Errors", "Constants"):
        lines += ["", f"## {kind}"]
        for name in (name for name in names if _kind(name) == kind):
            lines += ["", f"::: {PACKAGE}.{name}"]
    for module in sorted(package.glob("[a-z]*.py")):  # those that are imported by themselves, such as that for Triton
        more = public_names(module)
        lines += ["", f"## {PACKAGE}.{module.stem}"] if more else []
        for name in more:
            lines += ["", f"::: {PACKAGE}.{module.stem}.{name}"]
    return "\n".join(lines) + "\n"
