"""Translates a model to a module: the source of its forward, and the constants that it uses."""

import re
from collections.abc import Sequence
from typing import Any

import onnx
import torch
from onnx import AttributeProto, GraphProto, NodeProto, inliner
from torch import Tensor

from onnx_to_torchscript import functions as fn
from onnx_to_torchscript import operators as operators  # registers them
from onnx_to_torchscript.constants import tensor_of
from onnx_to_torchscript.errors import TranslationError, UnsupportedError
from onnx_to_torchscript.node import Node, Value
from onnx_to_torchscript.registry import OPERATORS, add

# The name of the standard domain is written both ways.
STANDARD_DOMAINS = ("", "ai.onnx")

# A result of more elements than this is computed when the program runs, unless it is no larger than what it comes from.
LARGEST_FOLDED = 1 << 20

add("If", 1, 25, None)
add("Loop", 1, 25, None)


def to_torchscript(model: onnx.ModelProto) -> torch.jit.ScriptModule:
    """A module whose forward computes what an ONNX model computes.

    It takes the graph's inputs by position, without those that have an initializer, and returns a tensor, or a tuple
    if the graph has several outputs. The same model gives the same module.

    Args:
        model: The model, with its external data loaded.

    Raises:
        TranslationError: The model is damaged, or has nodes that cannot be translated; all of them are named.
    """
    return _Translator(model).module()


class _Translator:
    """The state of one translation."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = inliner.inline_local_functions(model) if model.functions else model
        self.opsets = {_domain(entry.domain): entry.version for entry in model.opset_import}
        self.constants: dict[str, Tensor] = {}
        self.lines: list[str] = []
        self.refused: list[str] = []
        self.counter = 0

    def module(self) -> torch.jit.ScriptModule:
        """Does all of it."""
        graph = self.model.graph
        scope: dict[str, Value] = {}
        initialized = {tensor.name for tensor in graph.initializer}
        parameters = []
        for value in graph.input:
            if value.name not in initialized:
                scope[value.name] = Value(self._new_name("x"))
                parameters.append(scope[value.name].text)
                self._check_type(value)
        results = self._graph(graph, scope, "    ")
        if not results:
            raise TranslationError("the ONNX model is damaged: its graph has no outputs")
        if self.refused:
            raise TranslationError(_refusal(self.refused), self.refused)
        source = "\n".join(
            [
                "def forward(" + ", ".join(["self", *(f"{name}: Tensor" for name in parameters)]) + "):",
                *self.lines,
                "    return " + ", ".join(results),
            ]
        )
        return _define(source, self.constants)

    def _check_type(self, value: onnx.ValueInfoProto) -> None:
        kind = value.type.WhichOneof("value")
        if kind != "tensor_type":
            self.refused.append(f"input {value.name!r} is a {kind or 'value without a type'}; tensors are translated")

    def _new_name(self, prefix: str) -> str:
        self.counter += 1
        return f"{prefix}{self.counter}"

    def _constant(self, tensor: Tensor) -> Value:
        name = self._new_name("c")
        self.constants[name] = tensor
        return Value(f"self.{name}", tensor)

    def _graph(self, graph: GraphProto, scope: dict[str, Value], indent: str) -> list[str]:
        """Writes the nodes of a graph; returns the expressions of its outputs. `scope` gets the graph's values."""
        for tensor in graph.initializer:
            try:
                scope[tensor.name] = self._constant(tensor_of(tensor))
            except UnsupportedError as error:
                self.refused.append(f"initializer {tensor.name!r}: {error}")
                scope[tensor.name] = Value(self._new_name("v"))
        for entry in graph.sparse_initializer:
            self.refused.append(f"initializer {entry.values.name!r} is sparse")
        for node in graph.node:
            self._node(node, scope, indent)
        return [self._lookup(output.name, scope, "an output of the graph").text for output in graph.output]

    def _lookup(self, name: str, scope: dict[str, Value], what: str) -> Value:
        if name not in scope:
            raise TranslationError(f"the ONNX model is damaged: {what} is {name!r}, which nothing before it computes")
        return scope[name]

    def _node(self, proto: NodeProto, scope: dict[str, Value], indent: str) -> None:
        try:
            schema = self._schema(proto)
            inputs = [
                self._lookup(name, scope, f"an input of {_name(proto)}") if name else None for name in proto.input
            ]
            node = Node(proto, int(schema.since_version), self.opsets[_domain(proto.domain)], inputs, self._constant)
            if proto.op_type == "If":
                self._if(node, scope, indent)
            elif proto.op_type == "Loop":
                self._loop(node, scope, indent)
            else:
                self._call(node, scope, indent)
        except UnsupportedError as error:
            domain = _domain(proto.domain) or "ai.onnx"
            opset = self.opsets.get(_domain(proto.domain))
            which = f"{proto.op_type} (domain {domain}, opset {opset or 'not imported'})"
            self.refused.append(f"{_name(proto)}: {which}: {error}")
            scope.update({name: Value(self._new_name("v")) for name in proto.output if name})

    def _schema(self, proto: NodeProto) -> onnx.defs.OpSchema:
        """The standard's schema of a node's operator, whose version must be one that is translated."""
        domain = _domain(proto.domain)
        if domain not in self.opsets:
            raise UnsupportedError("the model imports no opset of this domain")
        if domain:
            raise UnsupportedError("operators of domains other than ai.onnx are not translated")
        known = OPERATORS.get(proto.op_type)
        if known is None:
            raise UnsupportedError("the operator is not translated")
        try:
            schema = onnx.defs.get_schema(proto.op_type, self.opsets[domain])
        except onnx.defs.SchemaError as error:
            raise UnsupportedError("this opset has no such operator") from error
        if not known.first <= schema.since_version <= known.last:
            raise UnsupportedError(
                f"its version {schema.since_version} is not translated; versions {known.first} to {known.last} are"
            )
        _check(proto, schema)
        return schema

    def _call(self, node: Node, scope: dict[str, Value], indent: str) -> None:
        """Writes a node that is an expression, or computes it now if its inputs are constants."""
        translate = OPERATORS[node.proto.op_type].translate
        assert translate is not None
        result = translate(node)
        unknown = node.unknown_attributes()
        if unknown:
            raise UnsupportedError(f"its attribute {', '.join(unknown)} is not translated")
        names = list(node.proto.output)
        if isinstance(result, str):
            if any(names[1:]):
                raise UnsupportedError("only its first output is translated")
            scope[names[0]] = self._try_fold(result) or self._assign(result, indent)
            return
        if len(names) > result.count:
            raise UnsupportedError(f"only its first {result.count} outputs are translated")
        variables = [self._new_name("v") for _ in range(result.count)]
        # A tuple of one: the comma that Python needs is none that TorchScript reads.
        text = f"{variables[0]} = {result.text}[0]" if result.count == 1 else f"{', '.join(variables)} = {result.text}"
        self.lines.append(f"{indent}{text}")
        scope.update({name: Value(variable) for name, variable in zip(names, variables, strict=False) if name})

    def _assign(self, text: str, indent: str) -> Value:
        if re.fullmatch(r"[a-z]+\d+|self\.c\d+", text):  # another name for the same value
            return Value(text)
        name = self._new_name("v")
        self.lines.append(f"{indent}{name} = {text}")
        return Value(name)

    def _try_fold(self, text: str) -> Value | None:
        """The value of an expression that uses constants only, computed now; None for others and for large results."""
        used = re.findall(r"\bself\.(c\d+)\b", text)
        if len(used) == 1 and text == f"self.{used[0]}":
            return Value(text, self.constants[used[0]])
        if re.search(r"\b[bilvx]\d+\b", text):
            return None
        values = _Constants(self.constants)
        try:
            # The expression is Python too: it was written by the translations, from names and literals of their own.
            result = eval(text, {"fn": fn, "torch": torch, "self": values})
        except Exception as error:  # torch's error for inputs that do not go together
            raise UnsupportedError(f"it fails on its constant inputs: {_first_line(error)}") from error
        largest = max([LARGEST_FOLDED, *(self.constants[name].numel() for name in used)])
        if not isinstance(result, Tensor) or result.numel() > largest:
            return None
        return self._constant(result.contiguous())

    def _if(self, node: Node, scope: dict[str, Value], indent: str) -> None:
        branches: list[GraphProto] = [node.attribute("then_branch"), node.attribute("else_branch")]
        for branch in branches:
            _check_count("outputs of a branch", len(branch.output), len(node.proto.output))
        condition = node.constant(0)
        if condition is not None:  # only one of the two ever runs
            taken = branches[0] if bool(condition) else branches[1]
            inner = dict(scope)
            self._graph(taken, inner, indent)
            for name, output in zip(node.proto.output, taken.output, strict=True):
                scope[name] = self._lookup(output.name, inner, "an output of a branch")
            return
        variables = [self._new_name("v") for _ in node.proto.output]
        for opening, branch in zip((f"if bool({node.input(0)}):", "else:"), branches, strict=True):
            self.lines.append(f"{indent}{opening}")
            results = self._graph(branch, dict(scope), indent + "    ")
            for variable, result in zip(variables, results, strict=True):
                self.lines.append(f"{indent}    {variable} = {result}")
        scope.update(
            {name: Value(variable) for name, variable in zip(node.proto.output, variables, strict=True) if name}
        )

    def _loop(self, node: Node, scope: dict[str, Value], indent: str) -> None:
        body: GraphProto = node.attribute("body")
        carried_count = len(node.inputs) - 2
        scan_count = len(node.proto.output) - carried_count
        _check_count("inputs of its body", len(body.input), 2 + carried_count)
        _check_count("outputs of its body", len(body.output), 1 + max(len(node.proto.output), carried_count))
        count, running = self._new_name("i"), self._new_name("b")
        limit, step = self._new_name("i"), self._new_name("v")
        carried = [self._new_name("v") for _ in range(carried_count)]
        stacks = [self._new_name("l") for _ in range(scan_count)]
        start = [
            f"{count} = 0",
            f"{limit} = {node.integer(0) if node.has_input(0) else (1 << 63) - 1}",
            f"{running} = {f'bool({node.input(1)})' if node.has_input(1) else 'True'}",
            *(f"{name} = {node.input(2 + index)}" for index, name in enumerate(carried)),
            *(f"{name} = fn.values.no_tensors()" for name in stacks),
            f"while {running} and {count} < {limit}:",
        ]
        self.lines += [indent + line for line in start]
        deeper = indent + "    "
        self.lines.append(f"{deeper}{step} = torch.tensor({count})")
        inner = dict(scope)
        given = [step, f"torch.tensor({running})", *carried]
        inner.update({value.name: Value(text) for value, text in zip(body.input, given, strict=True)})
        condition, *results = self._graph(body, inner, deeper)
        # All results first: one of them may be what another variable held before.
        held = [self._new_name("v") for _ in results]
        end = [
            *(f"{name} = {text}" for name, text in zip(held, results, strict=True)),
            f"{running} = bool({condition})",
            *(f"{name} = {text}" for name, text in zip(carried, held, strict=False)),
            *(f"{name}.append({text})" for name, text in zip(stacks, held[carried_count:], strict=True)),
            f"{count} = {count} + 1",
        ]
        self.lines += [deeper + line for line in end]
        scope.update(dict(zip(node.proto.output, map(Value, carried), strict=False)))
        for name, stack in zip(node.proto.output[carried_count:], stacks, strict=True):
            scope[name] = self._assign(f"torch.stack({stack})", indent)


class _Constants:
    """`self` of expressions that are computed now."""

    def __init__(self, constants: dict[str, Tensor]) -> None:
        self._constants = constants

    def __getattr__(self, name: str) -> Tensor:
        return self._constants[name]


def _domain(name: str) -> str:
    return "" if name in STANDARD_DOMAINS else name


def _check(proto: NodeProto, schema: onnx.defs.OpSchema) -> None:
    """Raises an error if a node has too few or too many inputs, lacks an attribute, or has one of another type.

    The types matter beyond good order: numbers are written into the source as they are, and a text must not be.
    """
    if not schema.min_input <= len(proto.input) <= schema.max_input:
        raise UnsupportedError(
            f"it has {len(proto.input)} inputs; {schema.min_input} to {schema.max_input} are allowed"
        )
    given = {attribute.name for attribute in proto.attribute}
    missing = [name for name, attribute in schema.attributes.items() if attribute.required and name not in given]
    if missing:
        raise UnsupportedError(f"its attribute {', '.join(missing)} is missing")
    for attribute in proto.attribute:
        if attribute.name not in schema.attributes:
            raise UnsupportedError(f"its version {schema.since_version} has no attribute {attribute.name}")
        wanted: Any = schema.attributes[attribute.name].type  # an enumeration, which its declaration does not say
        if attribute.type != wanted.value:
            found = AttributeProto.AttributeType.Name(attribute.type)
            raise UnsupportedError(f"its attribute {attribute.name} has the type {found}; {wanted.name} was wanted")


def _check_count(what: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise UnsupportedError(f"the number of {what} is {found}; {wanted} was wanted")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _name(proto: NodeProto) -> str:
    if proto.name:
        return f"node {proto.name!r}"
    return f"the node that computes {proto.output[0]!r}" if proto.output else "a node without outputs"


def _refusal(refused: Sequence[str]) -> str:
    return (
        f"the ONNX model has {len(refused)} "
        + ("part" if len(refused) == 1 else "parts")
        + " that cannot be translated to TorchScript:"
        + "".join(f"\n  {line}" for line in refused)
    )


def _define(source: str, constants: dict[str, Tensor]) -> torch.jit.ScriptModule:
    """The module of a forward; of the constants it gets those that the source uses."""
    used = dict.fromkeys(re.findall(r"\bself\.(c\d+)\b", source))

    class Program(torch.jit.ScriptModule):
        """A class for each program: torch would give programs with like constants one type, which has one forward."""

        # torch keeps every class for good, so that nothing large may be in one: the constants are an argument.
        def __init__(self, source: str, buffers: dict[str, Tensor]) -> None:
            super().__init__()
            for name, buffer in buffers.items():
                self.register_buffer(name, buffer)
            self.define(source + "\n")

    try:
        program = Program(source, {name: constants[name] for name in used}).eval()
        Program._methods.clear()  # type: ignore[attr-defined] # by name, with the frame that each was defined in
        return program
    except RuntimeError as error:
        raise TranslationError(f"the ONNX model cannot be compiled as TorchScript: {error}") from error
