"""The source code in a program: its classes, the signatures of their methods, and which operators these call.

TorchScript prints programs in a part of Python's syntax, so Python's parser reads them; nothing is compiled or run. It
is given one statement at a time, and what it makes of it is dropped at once: a tree takes a hundred times the memory of
its text. The counts are of calls as they are written, methods and functions that are called included each time: both
sides of a branch count, and a loop's body once.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from nacelle_cli.reading import limits, texts
from nacelle_cli.reading.errors import ReadingError

# The memory of a definition, as a multiple of that of a class's attribute.
_WEIGHT = 8
ENGINE_TYPE = "__torch__.torch.classes.tensorrt.Engine"


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a method, beside self; `default` is empty if it has none."""

    name: str
    type: str
    default: str


@dataclass(frozen=True, slots=True)
class Signature:
    """A method as its caller sees it."""

    name: str
    arguments: tuple[Argument, ...]
    returns: str

    def __str__(self) -> str:
        """The signature as source code: ``forward(x: Tensor, scale: float=1.0) -> Tensor``."""
        shown = [f"{a.name}: {a.type}" + (f"={a.default}" if a.default else "") for a in self.arguments]
        return f"{self.name}({', '.join(shown)}) -> {self.returns}"


@dataclass(eq=False, slots=True)
class Function:
    """A method or function: its signature, and the text of its statements."""

    signature: Signature
    first_argument: str
    text: str


@dataclass(slots=True)
class Class:
    """A class of the program; `base` is its base class, `attributes` are the types of its attributes by name."""

    name: str
    base: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    buffers: tuple[str, ...] = ()
    methods: dict[str, Function] = field(default_factory=dict)


@dataclass
class _Calls:
    """The calls of a function: operators, and functions with the class of their self, each with its count."""

    operators: Counter[str] = field(default_factory=Counter)
    functions: dict[int, tuple[Function, str | None, int]] = field(default_factory=dict)


class SourceCode:
    """All source code of a program."""

    def __init__(self, path: str = "", allowed: limits.Limits | None = None) -> None:
        """Holds none yet.

        Args:
            path: The archive, for messages.
            allowed: The limits of the file; None: those of a small one.
        """
        self.classes: dict[str, Class] = {}
        self.problems: list[str] = []
        self._path = path
        self._allowed = allowed or limits.of_size(0)
        self._size = 0
        self._definitions = 0
        self._modules: dict[str, str] = {}  # as they are written, by their names in lower case
        self._checked: set[str] = set()
        self._texts: dict[str, set[str]] = {}
        self._functions: dict[str, Function] = {}
        self._calls: dict[int, _Calls] = {}
        self._totals: dict[int, Counter[str]] = {}
        self._constants: dict[str, list[tuple[str, int]]] = {}
        self._work = 0

    def add(self, module: str, text: str) -> None:
        """Reads a file of source code; a part that cannot be parsed is listed in `problems`, and left out.

        Args:
            module: The prefix of its names: ``__torch__.torch.nn.modules.linear``.
            text: The source code.

        Raises:
            ReadingError: It is over a limit, or has two classes or functions of one name.
        """
        self._size += len(text)
        if self._size > self._allowed.source:
            raise limits.exceeded(self._where(module), "bytes of source code", self._size, self._allowed.source)
        self._modules[texts.lower(module)] = module
        for part in re.split(r"^(?=class |def )", text, flags=re.MULTILINE):
            if part.strip():
                self._add_part(module, part)

    def _add_part(self, module: str, part: str) -> None:
        statements = self._statements(module, part)
        _, header = next(statements, (0, ""))
        try:
            opening = _parsed(header)
            if isinstance(opening, ast.ClassDef):
                self._define(module, opening.name, part)
                self.classes[f"{module}.{opening.name}"] = self._class(module, opening, statements)
            elif isinstance(opening, ast.FunctionDef):
                self._define(module, opening.name, part)
                self._count(module, 2 * len(opening.args.args))
                self._functions[f"{module}.{opening.name}"] = _function(opening, [text for _, text in statements])
        except _UNPARSED as error:
            self._cannot(module, part, error)

    def _count(self, module: str, weight: int) -> None:
        self._definitions += weight
        if self._definitions > self._allowed.definitions:
            what = "classes, functions and attributes, weighed"
            raise limits.exceeded(self._where(module), what, self._definitions, self._allowed.definitions)

    def _define(self, module: str, name: str, part: str) -> None:
        self._count(module, _WEIGHT)
        full = f"{module}.{name}"
        if full in self.classes or full in self._functions:
            raise ReadingError(f"{self._where(module)}: {name} is defined twice; wanted each class and function once")
        self._texts.setdefault(_plain(full), set()).add(_plain(part))

    def _class(self, module: str, opening: ast.ClassDef, statements: Iterator[tuple[int, str]]) -> Class:
        base = opening.bases[0] if opening.bases else None
        made = Class(f"{module}.{opening.name}", _text(base))
        current: tuple[int, ast.FunctionDef, list[str]] | None = None
        for indent, text in statements:
            if current is not None and indent > current[0]:
                current[2].append(text)
                continue
            if current is not None:
                self._add_method(module, made, current[1], current[2])
                current = None
            node = _parsed(text)
            self._count(module, 1)
            if isinstance(node, ast.FunctionDef):
                current = (indent, node, [])
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                if node.value is None:
                    made.attributes[node.target.id] = _text(node.annotation)
            elif isinstance(node, ast.Assign):
                _assign(made, node)
        if current is not None:
            self._add_method(module, made, current[1], current[2])
        return made

    def _add_method(self, module: str, made: Class, node: ast.FunctionDef, statements: list[str]) -> None:
        self._count(module, _WEIGHT + 2 * len(node.args.args))
        if node.name in made.methods:
            raise ReadingError(
                f"{self._where(module)}: {made.name} has two methods {node.name}; wanted each method once"
            )
        made.methods[node.name] = _function(node, statements)

    def _statements(self, module: str, text: str) -> Iterator[tuple[int, str]]:
        """The statements of a text, each with its indentation; one that goes over several lines as it is."""
        for statement in _split(text):
            allowed = self._allowed.statement
            if len(statement) > allowed and (size := _token_count(statement)) > allowed:
                where = f"{self._where(module)}: {texts.quoted(statement.strip())}"
                raise limits.exceeded(where, "words and marks of a statement", size, allowed)
            stripped = statement.strip()
            if stripped and not stripped.startswith("#"):
                yield len(statement) - len(statement.lstrip()), stripped

    def _where(self, module: str) -> str:
        return f"{self._path}: code/{texts.printable(module.replace('.', '/'))}.py"

    def _cannot(self, module: str, part: str, error: Exception) -> None:
        first = texts.printable(part.split("\n", 1)[0][:80])
        why = str(error) or type(error).__name__
        self.problems.append(f"{texts.printable(module)}: {first!r} cannot be parsed: {texts.printable(why)}")

    @property
    def digests(self) -> dict[str, str]:
        """The sha256 of the text of each class and function; those of one name, beside torch's numbers, have one."""
        return {
            name: hashlib.sha256(texts.to_bytes("".join(sorted(found)))).hexdigest()
            for name, found in self._texts.items()
        }

    def check_references(self) -> None:
        """Refuses source code that torch finds under a name that it does not have: it compares without the case.

        Raises:
            ReadingError: The text names a class or function of a module that is only there with other letters.
        """
        for found in list(self._texts.values()):
            for text in found:
                for name in re.findall(r"__torch__(?:\.\w+)+", text):
                    self.check_reference(name)

    def check_reference(self, name: str) -> None:
        """The same of the name of one class or function."""
        if name in self._checked:
            return
        self._checked.add(name)
        deepest = max((module.count(".") for module in self._modules.values()), default=0) + 1
        parts = name.split(".")[:-1][:deepest]
        for end in range(1, len(parts) + 1):
            module = ".".join(parts[:end])
            found = self._modules.get(texts.lower(module), module)
            if found != module and module not in self.classes:
                raise ReadingError(
                    f"{self._where(found)}: the program names {texts.quoted(module)}; wanted a file of exactly this "
                    "name, since torch takes one in other capital letters"
                )

    def signature(self, type_name: str, method: str) -> Signature | None:
        """The signature of a class's method; None if there is no such method."""
        found = self.classes.get(type_name)
        return found.methods[method].signature if found is not None and method in found.methods else None

    def operators(self, type_name: str, method: str) -> Counter[str]:
        """The number of calls of each operator in a method: ``{"aten::relu": 2, "tensorrt::execute_engine": 1}``.

        Raises:
            ReadingError: It is more work than a limit allows, or more calls than can be counted.
        """
        found = self.classes.get(type_name)
        if found is None or method not in found.methods:
            return Counter()
        todo: list[tuple[Function, str | None]] = [(found.methods[method], type_name)]
        while todo:
            function, owner = todo[-1]
            if id(function) not in self._calls:
                calls = self._calls[id(function)] = self._calls_of(function, owner)
                todo += [(other, of) for other, of, _ in calls.functions.values() if id(other) not in self._calls]
                continue
            todo.pop()
            if id(function) not in self._totals:
                self._totals[id(function)] = self._total(self._calls[id(function)])
        return self._totals[id(found.methods[method])]

    def constants(self, type_name: str) -> list[tuple[str, int]]:
        """(method, index) of each constant that a class's methods use, in the order of their first use."""
        if type_name not in self._constants:
            found = self.classes.get(type_name)
            self._constants[type_name] = [
                (name, index)
                for name, function in (found.methods.items() if found else ())
                for index in dict.fromkeys(_constants(function))
            ]
        return self._constants[type_name]

    def _total(self, calls: _Calls) -> Counter[str]:
        """The operators of a function and of the functions that it calls; those of recursive calls are left out."""
        total = Counter(calls.operators)
        self._work += 2 * len(total)
        for function, _, count in calls.functions.values():
            inner = self._totals.get(id(function), Counter())
            self._work += len(inner) + 1
            if self._work > self._allowed.values:
                raise limits.exceeded(f"{self._path}: code", "operators of functions", self._work, self._allowed.values)
            for operator, inner_count in inner.items():
                total[operator] += count * inner_count
        most = max(total.values(), default=0)
        if most >= 1 << 63:
            raise ReadingError(
                f"{self._path}: code: an operator is called 2^63 times or more; this is no common program"
            )
        return total

    def _calls_of(self, function: Function, type_name: str | None) -> _Calls:
        calls = _Calls()
        types: dict[str, str | None] = {function.first_argument: type_name}
        for node in _nodes(function, "(", "="):
            with contextlib.suppress(RecursionError):  # of what is nested more deeply than the writer nests
                self._add_call(calls, node, types)
        return calls

    def _add_call(self, calls: _Calls, node: ast.AST, types: dict[str, str | None]) -> None:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            types[node.targets[0].id] = self._type(node.value, types)
        elif isinstance(node, ast.Call):
            callee, owner = self._callee(node.func, types)
            if callee is not None:
                before = calls.functions.get(id(callee), (callee, owner, 0))
                calls.functions[id(callee)] = (callee, before[1], before[2] + 1)
            elif operator := _operator(node.func):
                calls.operators[operator] += 1

    def _type(self, value: ast.expr, types: dict[str, str | None]) -> str | None:
        """The class of an expression's value, or the name of a function; None if neither is known."""
        if isinstance(value, ast.Name):
            return types.get(value.id)
        attribute: str | None = None
        owner: ast.expr | None = None
        if isinstance(value, ast.Attribute):
            attribute, owner = value.attr, value.value
        elif isinstance(value, ast.Call) and _dotted(value.func) == "getattr" and len(value.args) == 2:
            owner, name = value.args
            attribute = name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else None
        if owner is None or attribute is None:
            return None
        known = self.classes.get(self._type(owner, types) or "")
        return known.attributes.get(attribute) if known else _dotted(value)

    def _callee(self, function: ast.expr, types: dict[str, str | None]) -> tuple[Function | None, str | None]:
        if isinstance(function, ast.Attribute):
            owner = self._type(function.value, types)
            known = self.classes.get(owner or "")
            if known is not None:
                return known.methods.get(function.attr), owner
        return self._functions.get(self._type(function, types) or ""), None


# Errors of Python's parser, and of a walk over its tree, for a text that is not of its grammar or nested too deeply.
_UNPARSED = (SyntaxError, RecursionError, ValueError)
_SPECIAL = re.compile(r"[()\[\]{}\"'#\n\\]")
_IN_STRING = {quote: re.compile(rf"[{quote}\\\n]") for quote in "\"'"}


def _split(text: str) -> Iterator[str]:
    """The statements of a text: its lines, those within brackets as one."""
    start = position = depth = 0
    while found := _SPECIAL.search(text, position):
        character, position = found[0], found.end()
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth = max(0, depth - 1)
        elif character in _IN_STRING:
            position = _end_of_string(text, position, character)
        elif character == "#":
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
        elif character == "\\":
            position += 1
        elif depth == 0:
            yield text[start:position]
            start = position
    yield text[start:]


def _end_of_string(text: str, position: int, quote: str) -> int:
    while found := _IN_STRING[quote].search(text, position):
        if found[0] != "\\":
            return found.end() if found[0] == quote else found.start()
        position = found.end() + 1
    return len(text)


def _parsed_again(text: str) -> list[ast.stmt]:
    """The statements of a text whose first parse ended for want of memory.

    Python's parser raises MemoryError for deep nesting too, and then does so every time.
    """
    try:
        return ast.parse(text).body
    except MemoryError as error:
        raise RecursionError("nested too deeply") from error


def _parsed(statement: str) -> ast.stmt:
    """A statement; the first line of a compound one is parsed with nothing in it."""
    if statement.startswith("elif "):
        statement = statement[2:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = statement + " pass" if statement.endswith(":") else statement
        try:
            body = ast.parse(text).body
        except MemoryError:
            body = _parsed_again(text)
    if len(body) != 1:
        raise SyntaxError(f"{len(body)} statements; wanted 1")
    return body[0]


def _function(node: ast.FunctionDef, statements: list[str]) -> Function:
    arguments = node.args.args[1:]
    defaults: list[ast.expr | None] = [None] * (len(arguments) - len(node.args.defaults))
    signature = Signature(
        node.name,
        tuple(
            Argument(a.arg, _text(a.annotation), _text(default))
            for a, default in zip(arguments, [*defaults, *node.args.defaults][-len(arguments) :], strict=False)
        ),
        _text(node.returns),
    )
    first = node.args.args[0].arg if node.args.args else ""
    return Function(signature, first, "\n".join(statements))


def _nodes(function: Function, *marks: str) -> Iterator[ast.AST]:
    """The nodes of a function's statements in the order of evaluation, of those that have one of the marks in them."""
    for statement in _split(function.text):
        text = statement.strip()
        if not any(mark in text for mark in marks) or text == "else:":
            continue
        try:
            yield from list(_in_order(_parsed(text)))
        except _UNPARSED:
            continue  # torch would not read it either


def _constants(function: Function) -> Iterator[int]:
    for node in _nodes(function, "CONSTANTS"):
        index = _constant_index(node)
        if index is not None:
            yield index


def _token_count(text: str) -> int:
    """The number of words, marks and ends of lines in a text: at least as many as Python's parser finds there."""
    return sum(1 for _ in re.finditer(r"\d\w*(?:\.\d\w*)?|\w+|[^\w\s]|\n", text))


def _plain(text: str) -> str:
    """The text without the numbers that torch gives: to classes of equal names, and to a file's temporary values."""
    order: dict[str, str] = {}
    text = re.sub(r"\.___torch_mangle_\d+", "", text)
    return re.sub(r"\b_\d+\b", lambda found: order.setdefault(found[0], f"_t{len(order)}"), text)


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


def _in_order(root: ast.AST) -> Iterator[ast.AST]:
    """A tree's nodes in the order of evaluation: the parts of an expression before it."""
    todo = [(root, ast.iter_child_nodes(root))]
    while todo:
        node, children = todo[-1]
        child = next(children, None)
        if child is None:
            todo.pop()
            yield node
        else:
            todo.append((child, ast.iter_child_nodes(child)))


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
