"""The parameters of programs of every kind, the engines that they go to, and the way to call the program.

torch.jit.ScriptModule                   forward's schema and graph
the module() of an exported program      the graph's placeholders, with the shapes that torch keeps of them
AOTInductor package                      the structure of its arguments, and what ``nacelle.save`` wrote beside it
EngineModule                             the engine's inputs
another nn.Module                        forward's parameters; of ``nn.Sequential``, those of its first module
"""

import inspect
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.utils import _pytree

from torch_nacelle import _C
from torch_nacelle._programs import package_inputs
from torch_nacelle._programs.exported_shapes import Exported
from torch_nacelle._programs.structures import Call, Slot, flat, key_of, name_of
from torch_nacelle._runtime.holders import AnyProgram, is_package
from torch_nacelle._runtime.input import Input
from torch_nacelle.errors import InputError

_NO_ENGINE = "it goes to no engine directly"
_OPERATORS = ("tensorrt::execute_engine", "trt::execute_engine")
_CONSTANTS = (bool, int, float, str, type(None))
_NUMBERS = (torch.SymInt, torch.SymFloat, torch.SymBool)


@dataclass(frozen=True)
class Fed:
    """An engine's input that a parameter goes to as it is: the engine, its path, the input's place."""

    path: str
    engine: Any
    place: int


@dataclass(frozen=True)
class Parameter:
    """A parameter of a program.

    Attributes:
        name: Its name.
        required: False if it has a default.
        fed: The engine's input that it goes to; None if it goes to none directly.
        known: Its dtype and shapes, if the program itself tells them.
        why_unknown: Why nothing is known of it if it goes to no engine.
    """

    name: str
    required: bool = True
    fed: Fed | None = None
    known: Input | None = None
    why_unknown: str = _NO_ENGINE


@dataclass(frozen=True)
class Signature:
    """The parameters of a program, and the way to call it.

    Attributes:
        program: The program.
        parameters: In the order of a call.
        exported: The tensors that an exported program was exported with; None for other programs.
        structure: The structure of the arguments, if they are not tensors in a row; the parameters are its leaves.
        constants: The values of leaves that a call does not choose.
        numbers: Names of parameters that are numbers.
    """

    program: Callable[..., Any]
    parameters: Sequence[Parameter]
    exported: Exported | None = None
    structure: _pytree.TreeSpec | None = None
    constants: Mapping[str, Any] = field(default_factory=dict)
    numbers: Set[str] = frozenset()

    @property
    def names(self) -> list[str]:
        """The names of the parameters."""
        return [parameter.name for parameter in self.parameters]

    def caller(self, names: Sequence[str]) -> Callable[..., Any]:
        """A function that calls the program with tensors for the parameters of these names, in their order."""
        structure = self.structure
        if structure is None:
            if list(names) == self.names[: len(names)]:
                return self.program
            return lambda *tensors: self.program(**dict(zip(names, tensors, strict=True)))

        def call(*tensors: torch.Tensor) -> Any:
            values: dict[str, Any] = dict(self.constants)
            for name, tensor in zip(names, tensors, strict=True):
                values[name] = tensor.item() if name in self.numbers else tensor
            arguments, keywords = _pytree.tree_unflatten([values[name] for name in self.names], structure)
            return self.program(*arguments, **keywords)

        return call


def signature(program: AnyProgram) -> Signature:
    """Reads the parameters of a program.

    Raises:
        InputError: It is no program, or its parameters cannot be told.
    """
    if isinstance(program, torch.jit.ScriptModule):
        return Signature(program, list(_scripted(program)))
    if is_package(program):
        return _packaged(program)
    if isinstance(program, torch.fx.GraphModule):
        return _graph(program)
    if not isinstance(program, torch.nn.Module):
        raise InputError(
            f"found {type(program).__name__}; wanted a program, as nacelle.load or nacelle.compile returns it, or an "
            "nn.Module"
        )
    call = getattr(program, "_call", None)
    if isinstance(call, Call) and not call.is_row:
        return _structured(program, call)
    original = getattr(program, "_orig_mod", None)  # of what torch.compile returns
    if isinstance(original, torch.nn.Module):
        told = signature(original)
        return replace(told, program=program, parameters=_inside("_orig_mod", told.parameters))
    return Signature(program, list(_parameters_of(program)))


def _structured(program: Any, call: Call) -> Signature:
    """The signature of an EngineModule whose arguments are the model's."""
    names = iter(program.engine.inputs())
    parameters: list[Parameter] = []
    for path, leaf in call.structure.paths:
        if isinstance(leaf, Slot):
            parameters.append(Parameter(str(next(names)[0]), fed=Fed("engine", program.engine, leaf.place)))
        else:
            parameters.append(Parameter(name_of(path[1:], "input"), required=False))
    constants = {
        one.name: leaf for one, leaf in zip(parameters, call.structure.leaves, strict=True) if not one.required
    }
    return Signature(program, parameters, structure=call.structure.spec, constants=constants)


def only_engine(program: AnyProgram) -> Any:
    """The engine of a program that is this engine alone; None for another, and for a package, which does not tell."""
    if isinstance(program, torch.jit.ScriptModule):
        sites = _C.find_engines(program._c)
        alone = len(sites) == 1 and "." not in sites[0].path and "[" not in sites[0].path
        return getattr(program, sites[0].path) if alone else None
    if isinstance(program, torch.fx.GraphModule):
        return _only_engine_of(program)
    return getattr(program, "engine", None) if getattr(type(program), "takes_engine_inputs", False) else None


def _only_engine_of(program: torch.fx.GraphModule) -> Any:
    nodes = [node for node in program.graph.nodes if node.op == "call_function"]
    calls = [node for node in nodes if is_call_of_engine(node)]
    if len(calls) != 1 or any(node.target is not operator.getitem for node in nodes if node is not calls[0]):
        return None
    (call,) = calls
    returned = _pytree.tree_leaves(next(node for node in program.graph.nodes if node.op == "output").args)
    outputs = dict.fromkeys(node for node in returned if isinstance(node, torch.fx.Node))
    if any(node.op != "placeholder" for node in call.args[0]) or any(
        node.args != (call, place) for place, node in enumerate(outputs)
    ):
        return None
    return operator.attrgetter(call.args[1].target)(program)


def tells_values(engine: Any, place: int) -> bool:
    """False if the values of an input decide about shapes and the plan does not tell for which it was built."""
    values = dict(_C.host_inputs(engine)).get(place)
    return values is None or all(map(all, values))


def described_input(engine: Any, place: int) -> Input:
    """An input of an engine that can be set up here: its name, dtype and shapes, or the values that decide shapes."""
    name, dtype, shape, profiles = engine.inputs()[place]
    kind = getattr(torch, dtype)
    if -1 not in shape:
        values = dict(_C.host_inputs(engine)).get(place, [])
        if not values or not tells_values(engine, place):
            return Input(shape=shape, dtype=kind, name=name)
        low, opt, high = ([profile[which] for profile in values] for which in range(3))
        return Input(shape=shape, dtype=kind, min_values=low, opt_values=opt, max_values=high, name=name)
    low, opt, high = ([profile[which] for profile in profiles] for which in range(3))
    return Input(shape=shape, dtype=kind, min=low, opt=opt, max=high, name=name)


def forward_schema(program: torch.jit.ScriptModule) -> Any:
    """The schema of a program's forward; its first argument is the program."""
    return program._c._get_method("forward").schema


def _scripted(program: torch.jit.ScriptModule) -> Iterator[Parameter]:
    fed = dict(_fed_in_torchscript(program))
    for place, argument in enumerate(forward_schema(program).arguments[1:]):
        if argument.has_default_value():
            yield Parameter(argument.name, required=False)
        elif place in fed:
            path, slot = fed[place]
            yield Parameter(argument.name, fed=Fed(path, operator.attrgetter(path)(program), slot))
        else:
            yield Parameter(argument.name)


def _fed_in_torchscript(program: torch.jit.ScriptModule) -> Iterator[tuple[int, tuple[str, int]]]:
    """The arguments that go to an engine as they are: place, the engine's path, and place among the engine's inputs."""
    graph: Any = program.inlined_graph
    names = [value.debugName() for value in graph.inputs()]
    module = names[0]
    for node in [found for name in _OPERATORS for found in graph.findAllNodes(name)][::-1]:
        tensors, engine = node.inputs()
        path = attribute_path(engine, module)
        if path is None or tensors.node().kind() != "prim::ListConstruct":
            continue
        for place, value in enumerate(tensors.node().inputs()):
            if value.debugName() in names[1:]:
                yield names.index(value.debugName()) - 1, (path, place)


def attribute_path(value: Any, module: str) -> str | None:
    """The path of attributes that leads from the module to a value of its graph; None if the value is no attribute."""
    parts: list[str] = []
    while value.debugName() != module:
        node = value.node()
        if node.kind() != "prim::GetAttr":
            return None
        parts.insert(0, node.s("name"))
        (value,) = node.inputs()
    return ".".join(parts)


def _graph(program: torch.fx.GraphModule) -> Signature:
    """The signature of an exported program's module, or of another graph: its placeholders are the leaves."""
    placeholders = [node for node in program.graph.nodes if node.op == "placeholder"]
    values = {node.name: node.meta["val"] for node in placeholders if "val" in node.meta}
    constants = {name: value for name, value in values.items() if isinstance(value, _CONSTANTS)}
    numbers = {name for name, value in values.items() if isinstance(value, _NUMBERS)}
    fed = _fed_in_graph(program)
    parameters = [
        Parameter(node.name, required=False)
        if node.args or node.name in constants
        else Parameter(node.name, why_unknown="it is a number")
        if node.name in numbers
        else Parameter(node.name, fed=fed.get(node.name))
        for node in placeholders
    ]
    tensors = {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}
    structure = getattr(program, "_in_spec", None)
    if structure is not None and not constants and not numbers and _is_row(structure):
        structure = None
    return Signature(
        program,
        parameters,
        exported=Exported(tensors, getattr(program, "range_constraints", None) or {}),
        structure=structure,
        constants=constants,
        numbers=numbers,
    )


def _fed_in_graph(program: torch.fx.GraphModule) -> dict[str, Fed]:
    fed: dict[str, Fed] = {}
    for node in program.graph.nodes:
        if not is_call_of_engine(node):
            continue
        tensors, engine = node.args
        path = engine.target
        for place, value in enumerate(tensors):
            if value.op == "placeholder":
                fed.setdefault(value.name, Fed(path, operator.attrgetter(path)(program), place))
    return fed


def is_call_of_engine(node: torch.fx.Node) -> bool:
    """True for a node that runs an engine which is an attribute of the graph's module, on a list of tensors."""
    name = getattr(node.target, "name", None)  # of a torch.ops overload
    if node.op != "call_function" or not callable(name) or name().removesuffix(".default") not in _OPERATORS:
        return False
    if len(node.args) != 2 or not isinstance(node.args[0], list | tuple):
        return False
    engine = node.args[1]
    return isinstance(engine, torch.fx.Node) and engine.op == "get_attr"


def _is_row(structure: _pytree.TreeSpec) -> bool:
    """True if the arguments are tensors in a row: no keywords, no tuples."""
    positional, keywords = structure.children()
    return keywords.num_leaves == 0 and all(child.is_leaf() for child in positional.children())


def _packaged(package: Any) -> Signature:
    """The signature of an AOTInductor package, which keeps the structure of its arguments, and names of keywords."""
    structure = _pytree.treespec_loads(package.loader.get_call_spec()[0])
    leaves = _pytree.tree_unflatten(list(range(structure.num_leaves)), structure)
    names = [_leaf_name(path) for path, _ in flat(leaves)]
    described = package_inputs.read(package.get_metadata().get(package_inputs.KEY, ""))
    if len(described) == len(names):
        parameters = [Parameter(one.name, one.required, None, one.input, one.why_unknown) for one in described]
    else:
        why = "the package does not tell its inputs; those that nacelle.save writes do"
        parameters = [Parameter(name, why_unknown=why) for name in names]
    constants = {one.name: None for one in parameters if not one.required}  # torch leaves out what is no tensor
    is_plain = not constants and _is_row(structure)
    return Signature(package, parameters, structure=None if is_plain else structure, constants=constants)


def _leaf_name(path: Sequence[Any]) -> str:
    """A name for an argument, by its place: ``input_0``, ``scale``, ``input_1_boxes``."""
    is_keyword, first, *rest = map(key_of, path)
    return "_".join(map(str, [first if is_keyword else f"input_{first}", *rest]))


def _inside(path: str, parameters: Sequence[Parameter]) -> list[Parameter]:
    """The parameters of a module as those of another one, which holds it at `path`."""
    return [
        parameter
        if parameter.fed is None
        else replace(parameter, fed=replace(parameter.fed, path=f"{path}.{parameter.fed.path}"))
        for parameter in parameters
    ]


def _parameters_of(program: torch.nn.Module) -> Iterator[Parameter]:
    if type(program) is torch.nn.Sequential and len(program) > 0:
        first = next(iter(program._modules))
        yield from _inside(first, signature(program[0]).parameters)
        return
    if getattr(type(program), "takes_engine_inputs", False):
        engine: Any = program.engine
        for place, (name, *_) in enumerate(engine.inputs()):
            yield Parameter(str(name), fed=Fed("engine", engine, place))
        return
    for name, taken in inspect.signature(program.forward).parameters.items():
        if taken.kind not in (taken.VAR_POSITIONAL, taken.VAR_KEYWORD):
            required = taken.default is taken.empty
            yield Parameter(name, required=required, why_unknown=f"{type(program).__name__}.forward is Python code")
