"""Finds the code of a program that torch.jit.load runs.

Torch runs three things of a file when it loads it, before anybody calls the program:

    def __setstate__(self, …)              makes an object again from what was saved of it
    def forward(self, x, n: int=…)         the default of an argument
    size : Final[int] = …                  a constant of a class

The last two are plain values in programs that torch.jit.save wrote, and may be any expression in others.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nacelle_cli.reading.archives import Archive
from nacelle_cli.reading.texts import quoted

_SET_STATE = b"__setstate__"
# Text that Python's parser and torch's may read differently; torch.jit.save writes none of it.
_UNUSUAL = re.compile(rb"[^\n\x20-\x7e]|\\\n|\"\"\"")
# Calls that only make a value: float("inf"), torch.device("cpu"), annotate(List[int], []).
_MAKERS = ("float", "torch.device", "annotate", "complex")


def reasons(archive: Archive) -> Iterator[str]:
    """Names each piece of a program's code that torch.jit.load would run.

    Source that cannot be read for certain counts as such code.
    """
    for name in archive.names:
        if not name.casefold().startswith("code/") or name.casefold().endswith(".debug_pkl"):
            continue
        content = archive.read(name)
        if _SET_STATE in content:
            yield f"{quoted(name)} has a __setstate__"
        elif (unusual := _UNUSUAL.search(content)) is not None:
            yield f"{quoted(name)} has {unusual[0]!r} at byte {unusual.start()}, which torch.jit.save does not write"
        else:
            yield from (f"{quoted(name)}, {what}" for what in _computed(content.decode()))


def _computed(text: str) -> Iterator[str]:
    """The values that a source computes when it is loaded."""
    for part in re.split(r"^(?=class |def )", text, flags=re.MULTILINE):
        if not part.strip():
            continue
        try:
            statements = ast.parse(part).body
        except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
            yield f"{part.splitlines()[0][:80]!r}: it cannot be parsed ({error})"
            continue
        for statement in statements:
            yield from _of_statement(statement, "")


def _of_statement(statement: ast.stmt, owner: str) -> Iterator[str]:
    if isinstance(statement, ast.ClassDef):
        for inner in statement.body:
            yield from _of_statement(inner, f"{statement.name}.")
    elif isinstance(statement, ast.FunctionDef):
        defaults = [*statement.args.defaults, *(one for one in statement.args.kw_defaults if one is not None)]
        if statement.decorator_list or not all(map(_is_plain, defaults)):
            yield f"{owner}{statement.name}: a default is computed"
    elif isinstance(statement, ast.AnnAssign):
        if statement.value is not None and not _is_plain(statement.value):
            yield f"{owner}{_target(statement.target)}: its value is computed"
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = _target(statement.targets[0])
        if not target.startswith("__annotations__[") and not _is_plain(statement.value):
            yield f"{owner}{target}: its value is computed"
    elif not isinstance(statement, ast.Pass):
        yield f"{owner}: it has a statement that is no definition"


def _target(target: ast.expr) -> str:
    return ast.unparse(target)[:80]


def _is_plain(value: ast.expr) -> bool:
    """True for an expression that is a value by itself."""
    if isinstance(value, ast.Constant):
        return True
    if isinstance(value, ast.UnaryOp):
        return isinstance(value.op, ast.USub) and _is_plain(value.operand)
    if isinstance(value, ast.BinOp):  # a complex number: 1.+2.j
        return all(
            isinstance(part, ast.Constant | ast.UnaryOp) and _is_plain(part) for part in (value.left, value.right)
        )
    if isinstance(value, ast.Attribute):
        return isinstance(value.value, ast.Name) and value.value.id == "CONSTANTS"
    if isinstance(value, ast.Tuple | ast.List):
        return all(map(_is_plain, value.elts))
    if isinstance(value, ast.Dict):
        return all(key is not None and _is_plain(key) for key in value.keys) and all(map(_is_plain, value.values))
    if isinstance(value, ast.Name):
        return value.id in ("inf", "nan")
    if isinstance(value, ast.Call) and not value.keywords:
        function = ast.unparse(value.func)
        arguments = value.args[1:] if function == "annotate" else value.args
        return function in _MAKERS and all(map(_is_plain, arguments))
    return False
