"""The guards of an exported program: conditions on the sizes of its inputs, which torch runs as Python.

L['x'].size()[0] != 1 and 2*L['x'].size()[0] == L['masks'][1].size()[2]
"""

from __future__ import annotations

import ast
import re

MAX_CHARACTERS = 4096
MAX_NODES = 1024
_MAX_INTEGER = 1 << 63
_MAX_EXPONENT = 8

_CHARACTERS = re.compile(r"[\w\s.,'()\[\]+\-*/%<>=!]*", re.ASCII)
# A size, a stride or an offset of an input, or a number that is one.
_SOURCE = re.compile(
    r"L\['(?!__)[A-Za-z_]\w{0,255}'\](?:\[\d{1,9}\]|\['(?!__)[A-Za-z_]\w{0,255}'\]){0,8}"
    r"(?:\.size\(\)\[\d{1,3}\]|\.stride\(\)\[\d{1,3}\]|\.storage_offset\(\))?",
    re.ASCII,
)
_STAND_IN = "s0"
_FUNCTIONS = frozenset({"max", "min", "int", "float", "bool", "abs"})
_OF_MATH = frozenset({"ceil", "floor", "trunc", "sqrt"})
_PARTS = (
    ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.Compare, ast.Eq, ast.NotEq, ast.Lt,
    ast.LtE, ast.Gt, ast.GtE, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Div, ast.Mod, ast.Load,
)  # fmt: skip


def is_known(text: str) -> bool:
    """True if a guard is arithmetic of the inputs' sizes and nothing else."""
    if len(text) > MAX_CHARACTERS or not _CHARACTERS.fullmatch(text) or "'" in _SOURCE.sub("", text):
        return False
    if re.search(rf"\b{_STAND_IN}\b", text):
        return False
    try:
        tree = ast.parse(_SOURCE.sub(_STAND_IN, text.strip()), mode="eval").body
        nodes = list(ast.walk(tree))
        return len(nodes) <= MAX_NODES and _is_known(tree)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False


def _is_known(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id == _STAND_IN
    if isinstance(node, ast.Constant):
        return isinstance(node.value, bool | float) or (type(node.value) is int and node.value < _MAX_INTEGER)
    if isinstance(node, ast.Call):
        return not node.keywords and _is_function(node.func) and all(map(_is_known, node.args))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        exponent = node.right.value if isinstance(node.right, ast.Constant) else None
        return type(exponent) in (int, float) and 0 <= exponent <= _MAX_EXPONENT and _is_known(node.left)  # type: ignore[operator]
    return isinstance(node, _PARTS) and all(map(_is_known, ast.iter_child_nodes(node)))


def _is_function(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == "math" and node.attr in _OF_MATH
    return isinstance(node, ast.Name) and node.id in _FUNCTIONS
