"""The JSON of an exported program, checked field by field along torch's own schema.

Every text of the schema has a rule here; one that has none is refused, so a field that a newer torch adds is not let
through. What only people read (stack traces) is left out.
"""

from __future__ import annotations

import json
import keyword
import math
import re
import typing
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, TypeAlias

from nacelle_cli.exported import expressions, guards, operators
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.texts import quoted

MAX_VALUES = 50_000_000
MAX_TEXT = 1 << 16
_MAX_GRAPHS = 16  # in one another
_MAX_TREE = 32
# Powers of a size that the graph may compute in Python's numbers, which have no end.
_MAX_GROWTH = 256
_MAX_EXPONENT = 8
_MAX_SHIFT = 62

_SEGMENT = r"(?!__)[\w-]{1,256}"
_PATH = re.compile(rf"(?:{_SEGMENT}(?:[.@]{_SEGMENT})*)?")
_KEY = re.compile(r"[\w.-]{1,256}")
_NON_FINITE = ("Infinity", "-Infinity", "NaN")

# A rule raises ValueError with the reason, and gives the text that is kept.
Rule: TypeAlias = Callable[[str], str]


def _named(text: str) -> str:
    """A name that torch writes into Python source."""
    if len(text) > 256 or not text.isidentifier() or keyword.iskeyword(text):
        raise ValueError("is no name")
    return text


def _name_or_none(text: str) -> str:
    return _named(text) if text else text


def _matching(pattern: str, reason: str) -> Rule:
    compiled = re.compile(pattern)

    def rule(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(reason)
        return text

    return rule


def _path(text: str) -> str:
    if not _PATH.fullmatch(text):
        raise ValueError("is no path of a module or tensor")
    return text


def _expression(text: str) -> str:
    try:
        expressions.check(text)
    except expressions.ExpressionError as error:
        raise ValueError(f"is no size: {error}") from error
    return text


def _symbol(text: str) -> str:
    if not expressions.SYMBOL.fullmatch(text):
        raise ValueError("is no size's name")
    return text


def _target(text: str) -> str:
    if text == operators.PLACEHOLDER:
        raise ValueError(
            "holds an engine that was compiled for another platform or runtime, as texts of an operator that runs "
            "nothing; wanted one that holds it as an object: save the program for this platform"
        )
    if not operators.is_known(text):
        raise ValueError("is no operator that a model may call here: wanted arithmetic or a registered operator")
    return text


def _target_or_engine(text: str) -> str:
    return text if text in operators.OF_ENGINES else _target(text)


def _guard(text: str) -> str:
    if not guards.is_known(text):
        raise ValueError("is no condition on the sizes of inputs, as torch writes them")
    return text


def _engine_class(text: str) -> str:
    _free_text(text)  # writers differ in what they put here
    return "__torch__.torch.classes.tensorrt.Engine"


def _free_text(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise ValueError(f"has {len(text)} characters; wanted at most {MAX_TEXT}")
    return text


def _refused(reason: str) -> Rule:
    def rule(text: str) -> str:
        raise ValueError(reason)

    return rule


def check_structure(text: str) -> None:
    """Raises ValueError for a structure of arguments or results that is refused when a program is loaded."""
    _tree(text)


def _tree(text: str) -> str:
    """The structure of arguments or results: tuples, lists, dicts, and classes that this process has registered.

    There is none whose reader imports modules.
    """
    try:
        protocol, tree = json.loads(_free_text(text))
    except (ValueError, TypeError) as error:
        raise ValueError("is no structure of arguments") from error
    if protocol != 1 or isinstance(protocol, bool):
        raise ValueError("is a structure of an unknown version")
    return json.dumps([1, _checked_tree(tree, 0)])


def _checked_tree(tree: Any, depth: int) -> dict[str, Any]:
    if not isinstance(tree, dict) or depth > _MAX_TREE:
        raise ValueError("is no structure of arguments, or too deep")
    kind, context, children = tree.get("type"), tree.get("context"), tree.get("children_spec")
    if not isinstance(children, list):
        raise ValueError("is no structure of arguments")
    if kind is None and context is None and not children:
        return {"type": None, "context": None, "children_spec": []}
    check = _TREES.get(kind) if isinstance(kind, str) else None
    if check is None and isinstance(kind, str) and _is_registered(kind):
        check = _is_plain
    if check is None:
        raise ValueError(_unknown(quoted(str(kind)), "register_dataclass"))
    if kind == "collections.namedtuple" and isinstance(context, str) and not _is_namedtuple(context):
        raise ValueError(_unknown(quoted(context), "_register_namedtuple"))
    if not isinstance(context, str) or not check(context):
        raise ValueError(f"has a {kind} with unknown properties")
    return {"type": kind, "context": context, "children_spec": [_checked_tree(child, depth + 1) for child in children]}


def _unknown(name: str, function: str) -> str:
    return (
        f"has arguments or results of the type {name}; wanted tuples, lists, dicts, or a class that this process has "
        f"registered with torch's pytree: import the module that calls torch.utils._pytree.{function} with this name "
        "as serialized_type_name before you load the program"
    )


def _is_registered(name: str) -> bool:
    """True if this process's code has registered a class under this name, whose context torch reads as JSON."""
    from torch.utils import _pytree

    kind = _pytree.SERIALIZED_TYPE_TO_PYTHON_TYPE.get(name)
    return kind is not None and _pytree.SUPPORTED_SERIALIZED_TYPES[kind].from_dumpable_context is None


def _is_namedtuple(name: str) -> bool:
    """True if this process's code has registered a namedtuple under this name."""
    from torch.utils import _pytree

    kind = _pytree.SERIALIZED_TYPE_TO_PYTHON_TYPE.get(name)
    return kind is not None and issubclass(kind, tuple) and hasattr(kind, "_fields")


def _is_plain(context: str) -> bool:
    """True for JSON of lists, texts and numbers. Of an object torch's reader may make an enum, for which it imports."""

    def is_plain(value: object) -> bool:
        return all(map(is_plain, value)) if isinstance(value, list) else not isinstance(value, dict)

    try:
        return is_plain(json.loads(context))
    except (ValueError, RecursionError):
        return False


def _is_null(context: str) -> bool:
    return context == "null"


def _are_keys(context: str) -> bool:
    try:
        keys = json.loads(context)
    except (ValueError, RecursionError):
        return False
    return isinstance(keys, list) and all(
        type(key) is int or (isinstance(key, str) and _KEY.fullmatch(key) is not None) for key in keys
    )


_TREES: dict[str, Callable[[str], bool]] = {
    "builtins.tuple": _is_null,
    "builtins.list": _is_null,
    "torch.fx.immutable_collections.immutable_list": _is_null,
    "builtins.dict": _are_keys,
    "collections.OrderedDict": _are_keys,
    "torch.fx.immutable_collections.immutable_dict": _are_keys,
    "collections.deque": lambda context: context == "null" or re.fullmatch(r"\d{1,9}", context) is not None,
    "collections.namedtuple": lambda context: _KEY.fullmatch(context) is not None,
}

_OBJECT = "is an object of a class, which is not made here"

# The rule for each text, by class and field of torch's schema.
_RULES: dict[tuple[str, str], Rule] = {
    ("Device", "type"): _matching(r"[a-z]{1,20}", "is no device"),
    ("SymExpr", "expr_str"): _expression,
    ("SymIntArgument", "as_name"): _named,
    ("SymFloatArgument", "as_name"): _named,
    ("SymBoolArgument", "as_name"): _named,
    ("TensorArgument", "name"): _named,
    ("TokenArgument", "name"): _named,
    ("GraphArgument", "name"): _named,
    ("CustomObjArgument", "name"): _refused(_OBJECT),
    ("CustomObjArgument", "class_fqn"): _refused(_OBJECT),
    ("Argument", "as_string"): _free_text,
    ("Argument", "as_strings"): _free_text,
    ("Argument", "as_operator"): _target,
    ("NamedArgument", "name"): _name_or_none,
    ("Node", "target"): _target,
    ("Node", "name"): _name_or_none,
    ("ConstantValue", "as_string"): _matching(r"[\w .-]{0,256}", "is no plain text"),
    ("InputToConstantInputSpec", "name"): _name_or_none,
    ("InputToParameterSpec", "parameter_name"): _path,
    ("InputToBufferSpec", "buffer_name"): _path,
    ("InputToTensorConstantSpec", "tensor_constant_name"): _path,
    ("InputToCustomObjSpec", "custom_obj_name"): _refused(_OBJECT),
    ("BufferMutationSpec", "buffer_name"): _path,
    ("ParameterMutationSpec", "parameter_name"): _path,
    ("GradientToParameterSpec", "parameter_name"): _path,
    ("GradientToUserInputSpec", "user_input_name"): _named,
    ("UserInputMutationSpec", "user_input_name"): _named,
    ("ModuleCallSignature", "in_spec"): _tree,
    ("ModuleCallSignature", "out_spec"): _tree,
    ("ModuleCallSignature", "forward_arg_names"): _named,
    ("ModuleCallEntry", "fqn"): _path,
    ("NamedTupleDef", "field_names"): _named,
    ("ExportedProgram", "guards_code"): _guard,
    ("ExportedProgram", "verifiers"): _matching(r"[A-Z_]{0,32}", "is no dialect"),
    ("ExportedProgram", "torch_version"): _matching(r"[\w.+<>= -]{0,64}", "is no version"),
    ("PayloadMeta", "path_name"): _matching(r"(?:weight|tensor)_\d{1,9}", "is no tensor's member"),
}

# The rules that differ for a program with engines, whose objects were found to be engines.
_RULES_WITH_ENGINES: dict[tuple[str, str], Rule] = _RULES | {
    ("CustomObjArgument", "name"): _named,
    ("CustomObjArgument", "class_fqn"): _engine_class,
    ("InputToCustomObjSpec", "custom_obj_name"): _path,
    ("Node", "target"): _target_or_engine,
    ("PayloadMeta", "path_name"): _matching(
        r"(?:weight|tensor|custom_obj|opaque_obj)_\d{1,9}", "is no tensor's or engine's member"
    ),
}

# The keys of dicts.
_KEYS: dict[tuple[str, str], Rule] = {
    ("Argument", "as_string_to_argument"): _named,
    ("Graph", "tensor_values"): _named,
    ("Graph", "sym_int_values"): _named,
    ("Graph", "sym_bool_values"): _named,
    ("Graph", "sym_float_values"): _named,
    ("Graph", "custom_obj_values"): _refused(_OBJECT),
    ("GraphModule", "treespec_namedtuple_fields"): _path,
    ("ExportedProgram", "opset_version"): _named,
    ("ExportedProgram", "range_constraints"): _symbol,
    ("PayloadConfig", "config"): _path,
}

_KEYS_WITH_ENGINES: dict[tuple[str, str], Rule] = _KEYS | {("Graph", "custom_obj_values"): _named}

# The fields that are left out, and their replacements: notes of where a node came from.
_LEFT_OUT: dict[tuple[str, str], Any] = {
    ("Node", "metadata"): {},
    ("GraphModule", "metadata"): {},
}

# The inputs that a graph may have. Texts are not among them: torch writes them into the source of its guards.
_GRAPH_INPUTS = frozenset({"as_tensor", "as_sym_int", "as_int", "as_float", "as_bool", "as_none"})


@dataclass(frozen=True)
class _Field:
    """A field of the schema."""

    owner: str
    name: str

    @property
    def key(self) -> tuple[str, str]:
        return (self.owner, self.name)


class Document:
    """The texts and values of one JSON member."""

    def __init__(self, where: str, *, engines: bool = False, device: tuple[str, int | None] | None = None) -> None:
        """Reads for messages that begin with `where`.

        Args:
            where: The file and the member.
            engines: True if the program may hold objects, which are engines, and call them.
            device: The type and the number of the device that takes the place of every other; None: all stay.
        """
        self._where = where
        self._rules = _RULES_WITH_ENGINES if engines else _RULES
        self._keys = _KEYS_WITH_ENGINES if engines else _KEYS
        self._graph_inputs = _GRAPH_INPUTS | {"as_custom_obj"} if engines else _GRAPH_INPUTS
        self._device = device
        self._values = 0
        self._graphs = 0

    def program(self, raw: bytes) -> dict[str, Any]:
        """The program's JSON, checked, without the fields that are left out."""
        return self._read(raw, "ExportedProgram")

    def payload(self, raw: bytes) -> dict[str, Any]:
        """The checked table of tensors by path: ``{path: {path_name: …, tensor_meta: …}}``."""
        config: dict[str, Any] = self._read(raw, "PayloadConfig").get("config", {})
        return config

    def _read(self, raw: bytes, name: str) -> dict[str, Any]:
        from torch._export.serde import schema

        try:
            parsed = json.loads(raw.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise ReadingError(f"{self._where} is no JSON that can be read: {error}") from error
        result: dict[str, Any] = self._value(getattr(schema, name), parsed, _Field("", name))
        return result

    def _error(self, field: _Field, why: str) -> ReadingError:
        place = ".".join(part for part in field.key if part)
        return ReadingError(f"{self._where}: {place} {why}")

    def _value(self, kind: Any, data: Any, field: _Field) -> Any:
        self._values += 1
        if self._values > MAX_VALUES:
            raise ReadingError(f"{self._where} has over {MAX_VALUES} values")
        origin = typing.get_origin(kind)
        if origin in (typing.Union, UnionType):
            (inner,) = (each for each in typing.get_args(kind) if each is not NoneType)
            return None if data is None else self._value(inner, data, field)
        if origin is list:
            (item,) = typing.get_args(kind)
            return [self._value(item, each, field) for each in self._typed(list, data, field)]
        if origin is dict:
            return self._dict(typing.get_args(kind)[1], self._typed(dict, data, field), field)
        if hasattr(kind, "__dataclass_fields__"):
            return self._record(kind, self._typed(dict, data, field), field)
        return self._leaf(kind, data, field)

    def _typed(self, kind: type, data: Any, field: _Field) -> Any:
        if not isinstance(data, kind):
            raise self._error(field, f"is a {type(data).__name__}; wanted a {kind.__name__}")
        return data

    def _dict(self, kind: Any, data: dict[str, Any], field: _Field) -> dict[str, Any]:
        return {self._text(key, field, self._keys): self._value(kind, each, field) for key, each in data.items()}

    def _record(self, cls: Any, data: dict[str, Any], field: _Field) -> dict[str, Any]:
        from torch._export.serde import schema
        from torch._export.serde.union import _Union

        hints = typing.get_type_hints(cls, globalns=vars(schema))
        if issubclass(cls, _Union) and (len(data) != 1 or next(iter(data)) not in hints):
            raise self._error(field, f"holds {quoted(', '.join(data))}; wanted one of {', '.join(hints)}")
        if cls.__name__ == "Graph":
            return self._graph(cls, hints, data, field)
        made = self._fields(cls, hints, data)
        if cls.__name__ == "Device" and self._device is not None:
            made |= {"type": self._device[0], "index": self._device[1]}
        return made

    def _fields(self, cls: Any, hints: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """The fields that torch's schema has; it does not look at others."""
        made = {}
        for name, hint in hints.items():
            if name not in data:
                continue
            key = (cls.__name__, name)
            made[name] = _LEFT_OUT[key] if key in _LEFT_OUT else self._value(hint, data[name], _Field(*key))
        return made

    def _graph(self, cls: Any, hints: dict[str, Any], data: dict[str, Any], field: _Field) -> dict[str, Any]:
        self._graphs += 1
        if self._graphs > _MAX_GRAPHS:
            raise self._error(field, f"holds over {_MAX_GRAPHS} graphs in one another")
        graph = self._fields(cls, hints, data)
        self._graphs -= 1
        for each in graph.get("inputs", ()):
            if not self._graph_inputs.issuperset(each):
                raise self._error(_Field("Graph", "inputs"), f"holds {', '.join(each)}; wanted tensors and numbers")
        self._check_growth(graph)
        return graph

    def _check_growth(self, graph: dict[str, Any]) -> None:
        """Refuses sizes that grow with each node: Python's numbers have no end."""
        growth: dict[str, int] = {}
        for node in graph.get("nodes", ()):
            arguments = [_number_or_name(each.get("arg", {})) for each in node.get("inputs", ())]
            powers = [growth.get(each, 1) if isinstance(each, str) else 1 for each in arguments]
            made = max(powers, default=1)
            operation = node.get("target", "")
            if operation == "_operator.mul":
                made = sum(powers)
            elif operation in ("_operator.pow", "_operator.lshift"):
                by = arguments[1] if len(arguments) == 2 else None
                limit = _MAX_EXPONENT if operation == "_operator.pow" else _MAX_SHIFT
                if not isinstance(by, int | float) or not -limit <= by <= limit:
                    shown = by if isinstance(by, int | float) else "no number"
                    raise self._error(_Field("Node", "target"), f"{operation} is by {shown}; wanted at most {limit}")
                made = made * max(1, math.ceil(abs(by))) if operation == "_operator.pow" else made + 1
            if made > _MAX_GROWTH:
                raise self._error(
                    _Field("Node", "target"), f"{operation} makes a size to the power {made}; wanted {_MAX_GROWTH}"
                )
            for output in node.get("outputs", ()):
                name = _number_or_name(output)
                if isinstance(name, str):
                    growth[name] = made

    def _leaf(self, kind: Any, data: Any, field: _Field) -> Any:
        if kind is str:
            return self._text(data, field, self._rules)
        if kind is bool:
            return self._typed(bool, data, field)
        if kind is float:
            if isinstance(data, float) or (type(data) is int and abs(data) <= expressions.MAX_INTEGER):
                return data
            if data in _NON_FINITE:
                return data
            raise self._error(field, f"is a {type(data).__name__}; wanted a number")
        if kind is int or (isinstance(kind, type) and issubclass(kind, Enum)):
            if type(data) is not int or abs(data) > expressions.MAX_INTEGER:
                raise self._error(field, "is no whole number of 64 bits")
            return data
        raise self._error(field, f"is of a type that is not known here, {kind}")

    def _text(self, data: Any, field: _Field, rules: dict[tuple[str, str], Rule]) -> str:
        text: str = self._typed(str, data, field)
        rule = rules.get(field.key)
        if rule is None:
            raise self._error(field, "is a text that is not known here: it may be of a newer torch")
        try:
            return rule(text)
        except ValueError as error:
            raise self._error(field, f"{quoted(text)} {error}") from error
        except RecursionError as error:
            raise self._error(field, f"{quoted(text)} is too deep") from error


def _number_or_name(argument: dict[str, Any]) -> float | str | None:
    """An argument that is a size: its number, or the name of the node that computes it."""
    for kind, value in argument.items():
        if kind in ("as_int", "as_float") and isinstance(value, int | float):
            return value
        if kind in ("as_sym_int", "as_sym_float", "as_sym_bool") and isinstance(value, dict):
            inner: float | str | None = next(iter(value.values()), None)
            return inner
    return None
