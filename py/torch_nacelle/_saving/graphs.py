"""Programs of engines alone, as torch.fx graphs: what torch.export takes, with the names of the program's arguments."""

import inspect
import operator
from collections.abc import Callable
from typing import Any

import torch

from torch_nacelle._export.engine_module import EngineModule, result_of, structures_of
from torch_nacelle._programs.embed import argument_names
from torch_nacelle._programs.signatures import described_input, forward_schema
from torch_nacelle._programs.structures import Call, row_call
from torch_nacelle._runtime.input import Input
from torch_nacelle.errors import InputError

_CALLS = ("tensorrt::execute_engine", "trt::execute_engine")
_EXECUTE = torch.ops.tensorrt.execute_engine.default


def of_engine(module: EngineModule) -> tuple[torch.nn.Module, list[Input], Call | None]:
    """The module of one engine for torch.export, the inputs that it takes, and the call: None for a row of inputs.

    Raises:
        Error: The engine cannot be set up here.
    """
    engine: Any = module.engine
    names = argument_names([name for name, *_ in engine.inputs()])
    described = [described_input(engine, place).named(name) for place, name in enumerate(names)]
    call, results = structures_of(module)
    if results is not None or (call is not None and (call.by_name or not call.is_row)):
        known = (call or row_call(len(names), names)).without_constants()
        return _Called(module, known), described, known
    graph = torch.fx.Graph()
    inputs = [graph.placeholder(name) for name in names]
    outputs = graph.call_function(_EXECUTE, (inputs, graph.get_attr("engine")))
    count = len(engine.outputs())
    values = [graph.call_function(operator.getitem, (outputs, i)) for i in range(count)]
    one = module.returns == "tensor" or (module.returns is None and count == 1)
    graph.output(values[0] if one else values if module.returns == "list" else tuple(values))
    return torch.fx.GraphModule({"engine": engine}, graph), described, None


class _Called(torch.nn.Module):
    """An engine's module under a forward whose parameters torch.export can name."""

    def __init__(self, module: EngineModule, call: Call) -> None:
        super().__init__()
        self.engine = module.engine
        args, kwargs = call.structure.template
        names = [*(call.parameters[: len(args)] or [f"input_{place}" for place in range(len(args))]), *kwargs]
        results = structures_of(module)[1]

        def forward(*given: Any, **named: Any) -> Any:
            tensors = call.tensors(given, named)
            outputs = _EXECUTE(tensors, self.engine)
            return result_of(outputs, module.returns, results)

        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        forward.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])  # type: ignore[attr-defined]
        self.forward = forward


def of_script(program: torch.jit.ScriptModule) -> tuple[torch.fx.GraphModule, list[Input | None]]:
    """The graph of a TorchScript program of engines alone, and the inputs as the engines that they go to know them.

    Raises:
        InputError: The program does something besides calling engines; torch has no way from it to torch.export.
        Error: An engine cannot be set up here.
    """
    return _Translation(program).run()


class _Translation:
    """Translates a program's graph, node by node."""

    def __init__(self, program: torch.jit.ScriptModule) -> None:
        self._program = program
        self._graph = torch.fx.Graph()
        self._values: dict[str, Any] = {}  # by name: nodes, lists and tuples of nodes, modules, engines
        self._engines: dict[str, Any] = {}
        self._inputs: dict[torch.fx.Node, Input] = {}
        self._rules: dict[str, Callable[[Any], object]] = {
            **dict.fromkeys(("aten::__getitem__", "prim::TupleIndex"), self._item),
            "prim::GetAttr": lambda node: getattr(self._value(node.inputs()), node.s("name")),
            "prim::Constant": lambda node: node.output().toIValue(),
            "prim::ListConstruct": lambda node: [self._values[one.debugName()] for one in node.inputs()],
            "prim::DictConstruct": self._dict,
            "prim::TupleConstruct": lambda node: tuple(self._values[one.debugName()] for one in node.inputs()),
            **dict.fromkeys(_CALLS, self._call),
        }

    def run(self) -> tuple[torch.fx.GraphModule, list[Input | None]]:
        graph: Any = self._program.inlined_graph
        module, *arguments = graph.inputs()
        self._values[module.debugName()] = self._program
        names = [one.name for one in forward_schema(self._program).arguments[1:]]
        placeholders = [self._graph.placeholder(name) for name in names]
        self._values |= {one.debugName(): node for one, node in zip(arguments, placeholders, strict=True)}
        for node in graph.nodes():
            self._translate(node)
        self._graph.output(self._value(graph.outputs()))
        made = torch.fx.GraphModule(self._engines, self._graph)
        return made, [self._inputs.get(node) for node in placeholders]

    def _value(self, values: Any) -> Any:
        (value,) = values
        return self._values[value.debugName()]

    def _translate(self, node: Any) -> None:
        kind = node.kind()
        outputs = list(node.outputs())
        if kind in ("prim::ListUnpack", "prim::TupleUnpack"):
            value = self._value(node.inputs())
            for place, output in enumerate(outputs):
                self._values[output.debugName()] = (
                    value[place]
                    if isinstance(value, (list, tuple))
                    else self._graph.call_function(operator.getitem, (value, place))
                )
        elif kind in self._rules:
            self._values[outputs[0].debugName()] = self._rules[kind](node)
        else:
            inside = sorted({kind, *_kinds(node)} - {*self._rules})
            raise InputError(
                f"the program does more than call engines ({', '.join(inside)}), and torch has no way from TorchScript "
                "to torch.export; make the program anew from the nn.Module with nacelle.compile(..., "
                "container='module'), or save it as TorchScript (.ts)"
            )

    def _dict(self, node: Any) -> dict[Any, Any]:
        values = [self._values[one.debugName()] for one in node.inputs()]
        return dict(zip(values[::2], values[1::2], strict=True))

    def _item(self, node: Any) -> Any:
        values, place = (self._values[one.debugName()] for one in node.inputs())
        if isinstance(values, torch.fx.Node):
            return self._graph.call_function(operator.getitem, (values, place))
        return values[place]

    def _call(self, node: Any) -> torch.fx.Node:
        tensors, engine = (self._values[one.debugName()] for one in node.inputs())
        name = next((name for name, known in self._engines.items() if known is engine), f"engine_{len(self._engines)}")
        self._engines[name] = engine
        for place, tensor in enumerate(tensors):
            if tensor.op == "placeholder" and tensor not in self._inputs:
                self._inputs[tensor] = described_input(engine, place)
        return self._graph.call_function(_EXECUTE, (tensors, self._graph.get_attr(name)))


def _kinds(node: Any) -> set[str]:
    """The kinds of the nodes in the blocks of a node."""
    nodes = [inner for block in node.blocks() for inner in block.nodes()]
    return {inner.kind() for inner in nodes}.union(*map(_kinds, nodes))
