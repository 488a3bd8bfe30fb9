"""Exported programs of engines alone as TorchScript.

The program's graph is written as source of TorchScript, around the very engines of the program:

    def forward(self, images):
        r0 = torch.ops.tensorrt.execute_engine([images], self.engine)
        r1 = torch.ops.tensorrt.execute_engine([r0[0]], self.engine_1)
        return (r0[1], r1[0],)
"""

import operator
from typing import Any

import torch
from torch.utils import _pytree

from torch_nacelle._programs.scripted_results import ScriptedResults, defined
from torch_nacelle._programs.signatures import is_call_of_engine
from torch_nacelle.errors import InputError

# Calls that check sizes and give nothing: of torch.export, for sizes that depend on values.
_CHECKS = ("_assert_scalar", "_assert_async", "sym_constrain_range", "_assert_tensor_metadata", "sym_size", "_check")


class _Engines(torch.nn.Module):
    """A module whose attributes are engines."""


def script(program: torch.fx.GraphModule) -> torch.jit.ScriptModule:
    """Makes a TorchScript program of a graph that calls engines and nothing else. It holds these engines themselves.

    Raises:
        InputError: The graph does something else; the message names the first operator.
    """
    source = _Source(program)
    holder = _Engines()
    for name, engine in source.engines.items():
        setattr(holder, name, engine)
    return defined(holder, source.text, source.results.resolve)


class _Source:
    """The source of forward, and the engines that it calls by the names of attributes."""

    def __init__(self, program: torch.fx.GraphModule) -> None:
        self.engines: dict[str, Any] = {}
        self.results = ScriptedResults(lambda value: self._text(value) if isinstance(value, torch.fx.Node) else None)
        self._program = program
        self._graph = program.graph
        self._texts: dict[torch.fx.Node, str] = {}
        self._lines: list[str] = []
        (end,) = (node for node in self._graph.nodes if node.op == "output")
        needed = _needed(end)
        arguments = [node for node in self._graph.nodes if node.op == "placeholder"]
        self._check_arguments(arguments)
        self._prefix = "result_"
        while any(node.name.startswith(self._prefix) for node in arguments):
            self._prefix = f"_{self._prefix}"
        for node in self._graph.nodes:
            if node is not end and (node in needed or not _only_checks(node)):
                self._add(node)
        result = self._result(end.args[0])
        names = "".join(f", {self._texts[node]}" for node in arguments)
        self.text = "\n    ".join([f"def forward(self{names}):", *self._lines, f"return {result}"]) + "\n"

    def _check_arguments(self, arguments: list[torch.fx.Node]) -> None:
        for node in arguments:
            value = node.meta.get("val")
            if value is not None and not isinstance(value, torch.Tensor):
                raise _refused(f"argument {node.name} is a {type(value).__name__}")
        structure = getattr(self._program, "_in_spec", None)
        if structure is not None:
            positional, keywords = structure.children()
            if not all(child.is_leaf() for child in [*positional.children(), *keywords.children()]):
                raise _refused("an argument is a tuple, list or dict")

    def _add(self, node: torch.fx.Node) -> None:
        if node.op == "placeholder":
            self._texts[node] = node.name
        elif node.op == "get_attr":
            return
        elif is_call_of_engine(node):
            tensors, engine = node.args
            given = ", ".join(self._text(one) for one in tensors)  # type: ignore[union-attr]
            name = f"{self._prefix}{len(self._lines)}"
            call = f"torch.ops.tensorrt.execute_engine([{given}], self.{self._engine(engine)})"
            self._lines.append(f"{name} = {call}")
            self._texts[node] = name
        elif node.op == "call_function" and node.target is operator.getitem:
            source, place = node.args
            self._texts[node] = f"{self._text(source)}[{int(place)}]"  # type: ignore[arg-type]
        else:
            raise _refused(f"it calls {_name(node)}")

    def _engine(self, node: Any) -> str:
        """The name of an engine's attribute."""
        engine = operator.attrgetter(node.target)(self._program)
        name = next((name for name, known in self.engines.items() if known is engine), "")
        if not name:
            name = f"engine_{len(self.engines)}" if self.engines else "engine"
            self.engines[name] = engine
        return name

    def _text(self, value: Any) -> str:
        if value not in self._texts:
            raise _refused(f"an engine takes {value}, which no engine and no argument gives")
        return self._texts[value]

    def _result(self, values: Any) -> str:
        structure = getattr(self._program, "_out_spec", None)
        if structure is not None:
            values = _pytree.tree_unflatten(_pytree.tree_leaves(values), structure)
        return self.results.expression(values)


def _needed(end: torch.fx.Node) -> set[torch.fx.Node]:
    """The nodes that the result needs, and all arguments."""
    needed: set[torch.fx.Node] = set()
    todo = [end]
    while todo:
        node = todo.pop()
        if node not in needed:
            needed.add(node)
            todo += node.all_input_nodes
    return needed | {node for node in end.graph.nodes if node.op == "placeholder"}


def _only_checks(node: torch.fx.Node) -> bool:
    """True for a node that the result does not need, and that changes nothing: a check of sizes, or a part of one."""
    if node.op == "call_module":
        return node.target == "_guards_fn"
    if node.op == "get_attr":
        return True
    if node.op != "call_function":
        return False
    module = getattr(node.target, "__module__", "") or ""
    name = _name(node).rpartition("::")[2]
    return is_call_of_engine(node) or module in ("_operator", "math", "torch") or name.startswith(_CHECKS)


def _name(node: torch.fx.Node) -> str:
    """The name of what a node calls, as a person knows it: ``aten::softmax.int``."""
    name = getattr(node.target, "name", None)
    if callable(name):
        return str(name())
    return getattr(node.target, "__name__", str(node.target))


def _refused(reason: str) -> InputError:
    return InputError(
        f"an exported program cannot be saved as TorchScript unless it calls engines alone: {reason}; make the program "
        "from its nn.Module with nacelle.compile, or save it as .pt2"
    )
