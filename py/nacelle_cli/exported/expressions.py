"""Checks the texts of sizes by a grammar. torch would give them to sympy, which evaluates them as Python."""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass

# Limits of one expression. The third bounds what multiplying out can make of it, the fourth its powers.
MAX_CHARACTERS = 1 << 15
MAX_NODES = 1024
MAX_TERMS = 1024
MAX_DEGREE = 24
MAX_DEPTH = 100
MAX_INTEGER = 2**63 - 1
_MAX_EXPONENT = 8
_MAX_SHIFT = 62

# The names that torch gives to sizes and floats: known (s0, zf0) and those that depend on values (u0, zuf0).
SYMBOL = re.compile(r"(?:s|u|zf|zuf)\d{1,6}")

_CHARACTERS = re.compile(r"[A-Za-z0-9_'.,=()+\-*/%<>! ]*")
_ASSUMPTIONS = frozenset({
    "integer", "positive", "negative", "nonnegative", "nonpositive", "nonzero", "zero", "real", "rational", "finite",
    "infinite", "even", "odd", "commutative", "extended_real", "extended_positive", "extended_nonnegative",
    "extended_nonzero", "complex", "number",
})  # fmt: skip
_CONSTANTS = frozenset({"true", "false"})
_FLOAT = re.compile(r"-?\d{1,40}(?:\.\d{0,40})?(?:e[+-]?\d{1,3})?")
# Functions and how many arguments they take: torch's own, and those of sympy that torch writes.
_FUNCTIONS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("Add", "Mul"), (1, MAX_NODES)),
    **dict.fromkeys(("And", "Or"), (1, 64)),
    **dict.fromkeys(("Max", "Min"), (1, 8)),
    **dict.fromkeys(
        (
            "Not", "Abs", "floor", "ceiling", "CeilToInt", "FloorToInt", "TruncToFloat", "TruncToInt", "RoundToInt",
            "ToFloat", "Identity",
        ),
        (1, 1),
    ),
    **dict.fromkeys(
        (
            "Equality", "Unequality", "GreaterThan", "LessThan", "StrictGreaterThan", "StrictLessThan", "Eq", "Ne",
            "Ge", "Gt", "Le", "Lt", "FloorDiv", "PythonMod", "Mod", "CleanDiv", "CeilDiv", "FloatTrueDiv", "IntTrueDiv",
            "RoundDecimal", "Pow", "PowByNatural", "FloatPow", "LShift", "RShift",
        ),
        (2, 2),
    ),
    **dict.fromkeys(("ModularIndexing", "Where"), (3, 3)),
    "IsNonOverlappingAndDenseIndicator": (2, 16),
}  # fmt: skip
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod, ast.Div, ast.Pow)
_COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)


class ExpressionError(ValueError):
    """A text that is no size: the message says why."""


@dataclass(frozen=True)
class _Measure:
    """An upper bound of an expression multiplied out: its degree, and how many terms it has."""

    degree: int = 1
    terms: int = 1

    def limited(self) -> _Measure:
        if self.degree > MAX_DEGREE:
            raise ExpressionError(f"it has powers up to {self.degree}; at most {MAX_DEGREE} is read")
        if self.terms > MAX_TERMS:
            raise ExpressionError(f"multiplied out it has {self.terms} terms; at most {MAX_TERMS} are read")
        return self


def check(text: str) -> None:
    """Raises ExpressionError if the text is anything but arithmetic of numbers and sizes, or too large a one."""
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(f"it has {len(text)} characters; at most {MAX_CHARACTERS} are read")
    if not _CHARACTERS.fullmatch(text):
        raise ExpressionError("it has a character that no size has")
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ExpressionError("it cannot be parsed") from error
    _Checker().measure(tree, 0)


class _Checker:
    def __init__(self) -> None:
        self._nodes = 0

    def measure(self, node: ast.expr, depth: int) -> _Measure:
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            raise ExpressionError(f"it has over {MAX_NODES} parts, or is deeper than {MAX_DEPTH}")
        if isinstance(node, ast.Constant):
            return _number(node)
        if isinstance(node, ast.Name):
            if node.id not in _CONSTANTS and not SYMBOL.fullmatch(node.id):
                raise ExpressionError(f"{node.id} is no size")
            return _Measure()
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            return self.measure(node.operand, depth + 1)
        if isinstance(node, ast.BinOp) and isinstance(node.op, _OPERATORS):
            return self._binary(node, depth)
        if isinstance(node, ast.Compare) and all(isinstance(op, _COMPARISONS) for op in node.ops):
            # Python asks a chain's first half for its truth, which a size has not.
            if len(node.ops) > 1:
                raise ExpressionError("it compares more than two things at once")
            return self._widest([node.left, *node.comparators], depth)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._call(node.func.id, node, depth)
        raise ExpressionError("it is no arithmetic of numbers and sizes")

    def _widest(self, nodes: list[ast.expr], depth: int) -> _Measure:
        """The measure of an expression that is not multiplied out: one term."""
        return _Measure(max(self.measure(node, depth + 1).degree for node in nodes))

    def _product(self, nodes: list[ast.expr], depth: int) -> _Measure:
        degree, terms = 0, 1
        for each in (self.measure(node, depth + 1) for node in nodes):
            degree += each.degree
            terms *= each.terms
        return _Measure(degree, terms).limited()

    def _sum(self, nodes: list[ast.expr], depth: int) -> _Measure:
        parts = [self.measure(node, depth + 1) for node in nodes]
        return _Measure(max(part.degree for part in parts), sum(part.terms for part in parts)).limited()

    def _power(self, base: ast.expr, exponent: ast.expr, depth: int) -> _Measure:
        value = _real(exponent)
        if value is None or abs(value) > _MAX_EXPONENT:
            raise ExpressionError(f"it has a power that is no number from -{_MAX_EXPONENT} to {_MAX_EXPONENT}")
        measure = self.measure(base, depth + 1)
        times = max(1, math.ceil(abs(value)))
        return _Measure(measure.degree * times, measure.terms**times).limited()

    def _binary(self, node: ast.BinOp, depth: int) -> _Measure:
        if isinstance(node.op, ast.Pow):
            return self._power(node.left, node.right, depth)
        sides = [node.left, node.right]
        if isinstance(node.op, ast.Add | ast.Sub):
            return self._sum(sides, depth)
        return self._product(sides, depth) if isinstance(node.op, ast.Mult | ast.Div) else self._widest(sides, depth)

    def _call(self, name: str, node: ast.Call, depth: int) -> _Measure:
        special = _SPECIAL.get(name)
        if special is not None:
            special(node)
            return _Measure()
        if name not in _FUNCTIONS:
            raise ExpressionError(f"{name} is no function of sizes")
        low, high = _FUNCTIONS[name]
        if node.keywords or not low <= len(node.args) <= high:
            raise ExpressionError(f"{name} has {len(node.args)} arguments, or named ones")
        if name in ("Pow", "PowByNatural", "FloatPow"):
            return self._power(node.args[0], node.args[1], depth)
        if name in ("LShift", "RShift"):
            shift = _literal(node.args[1])
            if shift is None or not 0 <= shift <= _MAX_SHIFT:
                raise ExpressionError(f"{name} is by no number from 0 to {_MAX_SHIFT}")
            return _Measure(self.measure(node.args[0], depth + 1).degree + 1).limited()
        if name == "Mul":
            return self._product(node.args, depth)
        return self._sum(node.args, depth) if name == "Add" else self._widest(node.args, depth)


def _number(node: ast.Constant) -> _Measure:
    value = node.value
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) <= MAX_INTEGER):
        return _Measure()
    if isinstance(value, float):
        return _Measure()
    raise ExpressionError("it has a constant that is no number of 64 bits")


def _literal(node: ast.expr) -> int | None:
    """The value of a whole number, as Python or as sympy writes it; None for anything else."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Integer":
        if len(node.args) != 1 or node.keywords:
            return None
        node = node.args[0]
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    if isinstance(node, ast.UnaryOp) and negative:
        node = node.operand
    if not isinstance(node, ast.Constant) or type(node.value) is not int or node.value > MAX_INTEGER:
        return None
    return -node.value if negative else node.value


def _real(node: ast.expr) -> float | None:
    """The value of a number, whole or not, as Python or as sympy writes it; None for anything else."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id == "Float":
            _float(node)
            number = node.args[0]
            return float(number.value) if isinstance(number, ast.Constant) else None  # type: ignore[arg-type]
        if node.func.id == "Rational":
            _integers(2, node)
            over, under = map(_literal, node.args)
            return over / under if over is not None and under else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        value = _real(node.operand)
        return None if value is None else -value
    if isinstance(node, ast.Constant) and isinstance(node.value, float):
        return node.value
    return _literal(node)


def _integers(count: int, node: ast.Call) -> None:
    if node.keywords or len(node.args) != count or any(_literal(arg) is None for arg in node.args):
        raise ExpressionError("it has arguments that are not numbers of 64 bits")


def _float(node: ast.Call) -> None:
    """``Float('0.5', precision=53)``."""
    if len(node.args) != 1 or not isinstance(node.args[0], ast.Constant):
        raise ExpressionError("Float has no number")
    text = node.args[0].value
    if not isinstance(text, str | int | float) or not _FLOAT.fullmatch(str(text)):
        raise ExpressionError("Float has no number")
    for keyword in node.keywords:
        precision = _literal(keyword.value)
        if keyword.arg not in ("precision", "dps") or precision is None or not 1 <= precision <= 128:
            raise ExpressionError("Float has an unknown precision")


def _symbol(node: ast.Call) -> None:
    """``Symbol('s0', positive=True, integer=True)``."""
    name = node.args[0] if len(node.args) == 1 else None
    if not isinstance(name, ast.Constant) or not isinstance(name.value, str) or not SYMBOL.fullmatch(name.value):
        raise ExpressionError("Symbol has a name that no size has")
    for keyword in node.keywords:
        value = keyword.value
        if keyword.arg not in _ASSUMPTIONS or not isinstance(value, ast.Constant) or not isinstance(value.value, bool):
            raise ExpressionError("Symbol has an unknown assumption")


_SPECIAL = {
    "Integer": lambda node: _integers(1, node),
    "Rational": lambda node: _integers(2, node),
    "Float": _float,
    "Symbol": _symbol,
}
