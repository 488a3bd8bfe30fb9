"""The source code in a program: its classes, the signatures of their methods, and which operators these call.

TorchScript prints programs in a part of Python's syntax, so Python's parser reads them; nothing is compiled or run. The
counts are of calls as they are written, methods and functions that are called included each time: both sides of a
branch count, and a loop's body once.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

ENGINE_TYPE = "__torch__.torch.classes.tensorrt.Engine"


@dataclass(frozen=True)
class Argument:
    """An argument of a method, beside self; `default` is empty where it has none."""

    name: str
    type: str
    default: str


@dataclass(frozen=True)
class Signature:
    """A method as its caller sees it."""

    name: str
    arguments: tuple[Argument, ...]
    returns: str

    def __str__(self) -> str:
        """As source code: ``forward(x: Tensor, scale: float=1.0) -> Tensor``."""
        shown = [f"{a.name}: {a.type}" + (f"={a.default}" if a.default else "") for a in self.arguments]
        return f"{self.name}({', '.join(shown)}) -> {self.returns}"


@dataclass
class Class:
    """A class of the program; `attributes` are the types of its attributes by name."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    buffers: tuple[str, ...] = ()
    methods: dict[str, ast.FunctionDef] = field(default_factory=dict)


class Source:
    """All source code of a program."""

    def __init__(self) -> None:
        """Holds none yet."""
        self.classes: dict[str, Class] = {}
        self.problems: list[str] = []
        self._texts: dict[str, set[str]] = {}
        self._functions: dict[str, ast.FunctionDef] = {}
        self._counts: dict[int, Counter[str]] = {}

    def add(self, module: str, text: str) -> None:
        """Reads a file of source code; a part that cannot be parsed is listed in `problems`, and left out.

        Args:
            module: The prefix of its names: ``__torch__.torch.nn.modules.linear``.
            text: The source code.
        """
        for part in re.split(r"^(?=class |def )", text, flags=re.MULTILINE):
            if not part.strip():
                continue
            try:
                (statement,) = ast.parse(part).body
            except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
                first = part.split("\n", 1)[0][:80]
                self.problems.append(f"{module}: {first!r} cannot be parsed: {error}")
                continue
            if isinstance(statement, ast.ClassDef | ast.FunctionDef):
                self._texts.setdefault(_plain(f"{module}.{statement.name}"), set()).add(_plain(part))
            if isinstance(statement, ast.ClassDef):
                self.classes[f"{module}.{statement.name}"] = _class(f"{module}.{statement.name}", statement)
            elif isinstance(statement, ast.FunctionDef):
                self._functions[f"{module}.{statement.name}"] = statement

    @property
    def digests(self) -> dict[str, str]:
        """The sha256 of the text of each class and function; those of one name, beside torch's numbers, have one."""
        return {
            name: hashlib.sha256("".join(sorted(found)).encode()).hexdigest() for name, found in self._texts.items()
        }

    def signature(self, type_name: str, method: str) -> Signature | None:
        """The signature of a class's method; None where there is none."""
        found = self.classes.get(type_name)
        if found is None or method not in found.methods:
            return None
        function = found.methods[method]
        arguments = function.args.args[1:]
        defaults: list[ast.expr | None] = [None] * (len(arguments) - len(function.args.defaults))
        return Signature(
            method,
            tuple(
                Argument(a.arg, _text(a.annotation), _text(default))
                for a, default in zip(arguments, [*defaults, *function.args.defaults][-len(arguments) :], strict=False)
            ),
            _text(function.returns),
        )

    def operators(self, type_name: str, method: str) -> Counter[str]:
        """How often a method calls each operator: ``{"aten::relu": 2, "tensorrt::execute_engine": 1}``."""
        found = self.classes.get(type_name)
        if found is None or method not in found.methods:
            return Counter()
        return self._count(found.methods[method], type_name)

    def constants(self, type_name: str) -> Iterator[tuple[str, int]]:
        """(method, index) of each constant that a class's methods use, in the order of their first use."""
        found = self.classes.get(type_name)
        for name, function in (found.methods if found else {}).items():
            seen: set[int] = set()
            for node in _in_order(function):
                index = _constant_index(node)
                if index is not None and index not in seen:
                    seen.add(index)
                    yield name, index

    def _count(self, function: ast.FunctionDef, type_name: str | None) -> Counter[str]:
        known = self._counts.get(id(function))
        if known is None:
            self._counts[id(function)] = Counter()  # what calls itself, which TorchScript does not have
            known = self._counts[id(function)] = self._count_calls(function, type_name)
        return known

    def _count_calls(self, function: ast.FunctionDef, type_name: str | None) -> Counter[str]:
        counts: Counter[str] = Counter()
        types: dict[str, str | None] = {function.args.args[0].arg: type_name} if function.args.args else {}
        for node in _in_order(function):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                types[node.targets[0].id] = self._type(node.value, types)
            elif isinstance(node, ast.Call):
                callee, owner = self._callee(node.func, types)
                if callee is not None:
                    counts.update(self._count(callee, owner))
                elif operator := _operator(node.func):
                    counts[operator] += 1
        return counts

    def _type(self, value: ast.expr, types: dict[str, str | None]) -> str | None:
        """The class of an expression's value, or the name of a function; None where neither is known."""
        if isinstance(value, ast.Name):
            return types.get(value.id)
        attribute: str | None = None
        owner: ast.expr | None = None
        if isinstance(value, ast.Attribute):
            attribute, owner = value.attr, value.value
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "getattr":
            owner, name = value.args[:2]
            attribute = name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else None
        if owner is None or attribute is None:
            return None
        known = self.classes.get(self._type(owner, types) or "")
        return known.attributes.get(attribute) if known else _dotted(value)

    def _callee(self, function: ast.expr, types: dict[str, str | None]) -> tuple[ast.FunctionDef | None, str | None]:
        if isinstance(function, ast.Attribute):
            owner = self._type(function.value, types)
            known = self.classes.get(owner or "")
            if known is not None:
                return known.methods.get(function.attr), owner
        return self._functions.get(self._type(function, types) or ""), None


def _plain(text: str) -> str:
    """The text without the numbers that torch gives: to classes of equal names, and to a file's temporary values."""
    order: dict[str, str] = {}
    text = re.sub(r"\.___torch_mangle_\d+", "", text)
    return re.sub(r"\b_\d+\b", lambda found: order.setdefault(found[0], f"_t{len(order)}"), text)


def _class(name: str, statement: ast.ClassDef) -> Class:
    made = Class(name)
    for node in statement.body:
        if isinstance(node, ast.FunctionDef):
            made.methods[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            if node.value is None:
                made.attributes[node.target.id] = _text(node.annotation)
        elif isinstance(node, ast.Assign):
            _assign(made, node)
    return made


def _assign(made: Class, node: ast.Assign) -> None:
    target = node.targets[0]
    if isinstance(target, ast.Name) and isinstance(node.value, ast.List):
        names = tuple(str(item.value) for item in node.value.elts if isinstance(item, ast.Constant))
        if target.id == "__parameters__":
            made.parameters = names
        elif target.id == "__buffers__":
            made.buffers = names
    elif isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
        # __annotations__["0"] = type: an attribute whose name is no identifier
        made.attributes[str(target.slice.value)] = _text(node.value)


def _in_order(node: ast.AST) -> Iterator[ast.AST]:
    """A tree's nodes in the order of evaluation: the parts of an expression before it."""
    for child in ast.iter_child_nodes(node):
        yield from _in_order(child)
    yield node


def _constant_index(node: ast.AST) -> int | None:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "CONSTANTS":
        return int(node.attr[1:]) if re.fullmatch(r"c\d{1,9}", node.attr) else None
    return None


def _operator(function: ast.expr) -> str | None:
    """The operator that a call names: ``torch.relu`` is aten's, ``ops.tensorrt.execute_engine`` says whose it is."""
    parts = (_dotted(function) or "").split(".")
    if len(parts) == 2 and parts[0] == "torch":
        return f"aten::{parts[1]}"
    if len(parts) == 3 and parts[0] == "ops":
        return f"{parts[1]}::{parts[2]}"
    return None


def _dotted(value: ast.expr) -> str | None:
    parts: list[str] = []
    while isinstance(value, ast.Attribute):
        parts.append(value.attr)
        value = value.value
    return ".".join([value.id, *reversed(parts)]) if isinstance(value, ast.Name) else None


def _text(node: ast.expr | None) -> str:
    return "" if node is None else ast.unparse(node)
