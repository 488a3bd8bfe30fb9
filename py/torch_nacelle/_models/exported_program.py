"""Programs of torch.export: their inputs, and a form of them that can be traced."""

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch

from torch_nacelle import _C
from torch_nacelle._models.state import StateError
from torch_nacelle._programs.structures import CONSTANTS, Call, Slot, Structure, key_of, name_of, unique
from torch_nacelle._runtime.input import Input, as_list, dtype_name, with_names
from torch_nacelle.errors import InputError


@dataclass(frozen=True)
class ProgramInput:
    """An input that a program was exported for.

    Attributes:
        name: The argument's name.
        dtype: Its dtype.
        shape: For each dimension its size, or the least and the greatest if it was exported as dynamic.
    """

    name: str
    dtype: torch.dtype
    shape: tuple[int | tuple[int, int], ...]


def program_inputs(program: torch.export.ExportedProgram) -> list[ProgramInput]:
    """The program's inputs that are tensors, in the order of its arguments.

    Raises:
        InputError: It takes something that is neither a tensor nor a constant, such as a number that varies.
    """
    return [_described(program, node.name, node) for node in input_nodes(program)]


def input_nodes(program: torch.export.ExportedProgram) -> list[torch.fx.Node]:
    """The placeholders of the arguments that are no constants, in order."""
    by_name = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    nodes = [by_name[name] for name in _user_inputs(program)]
    return [node for node in nodes if not isinstance(_value(node), CONSTANTS)]


def program_call(program: torch.export.ExportedProgram) -> Call:
    """The arguments that the program takes."""
    by_name = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    leaves: list[Any] = []
    count = itertools.count()
    for name in _user_inputs(program):
        value = _value(by_name[name])
        leaves.append(value if isinstance(value, CONSTANTS) else Slot(next(count)))
    spec = program.call_spec.in_spec
    args, _ = torch.utils._pytree.tree_unflatten(_user_inputs(program), spec)
    names = tuple(one if isinstance(one, str) else f"input_{place}" for place, one in enumerate(args))
    return Call(Structure(spec, tuple(leaves)), names)


def input_names(call: Call) -> list[str | None]:
    """Names for the tensors that a program takes: None, or by their keys if they are no row."""
    if call.is_row and not call.by_name:
        return [None for leaf in call.structure.leaves]
    first = torch.utils._pytree.MappingKey
    names = []
    for (by_name, key, *rest), leaf in call.structure.paths:
        if isinstance(leaf, Slot):
            argument = key if key_of(by_name) else first(call.parameters[key_of(key)])
            names.append(name_of((argument, *rest), "input"))
    return list(unique(names))


def _value(node: torch.fx.Node) -> Any:
    """The tensor, constant or symbol of a placeholder; the node itself if torch kept none."""
    return node.meta.get("val", node)


def _described(program: torch.export.ExportedProgram, name: str, node: torch.fx.Node) -> ProgramInput:
    value = _value(node)
    if not isinstance(value, torch.Tensor):
        raise InputError(
            f"the ExportedProgram's argument {name!r} is a {type(value).__name__}; an engine takes tensors"
        )
    shape: list[int | tuple[int, int]] = []
    for extent in value.shape:
        if isinstance(extent, int):
            shape.append(extent)
            continue
        bounds = program.range_constraints.get(extent.node.expr)
        shape.append((_bound(bounds, "lower", 0), _bound(bounds, "upper", 2**62)))
    return ProgramInput(str(name), value.dtype, tuple(shape))


def _bound(bounds: object, side: str, otherwise: int) -> int:
    try:
        return int(getattr(bounds, side))
    except (AttributeError, TypeError, OverflowError, ValueError):  # no bound, or infinity
        return otherwise


def with_example_inputs(
    program: torch.export.ExportedProgram, device: str | None = "meta"
) -> torch.export.ExportedProgram:
    """Gives a program example inputs, which torch wants for its checks of shapes; those that it has stay.

    They are tensors of zeros of the shapes that it was exported with; on the device "meta" they have no elements, and
    for None they are on the device that it was exported for.
    """
    if program.example_inputs is not None:
        return program
    by_name = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    leaves = [_example(by_name[name].meta.get("val"), device) for name in _user_inputs(program)]
    program._example_inputs = torch.utils._pytree.tree_unflatten(leaves, program.call_spec.in_spec)
    return program


def _user_inputs(program: torch.export.ExportedProgram) -> list[str]:
    kinds = torch.export.graph_signature.InputKind
    return [spec.arg.name for spec in program.graph_signature.input_specs if spec.kind == kinds.USER_INPUT]


def _example(value: Any, device: str | None) -> Any:
    if not isinstance(value, torch.Tensor):
        return value if not isinstance(value, torch.SymInt) else value.node.hint
    shape = [extent if isinstance(extent, int) else extent.node.hint or 2 for extent in value.shape]
    return torch.zeros(shape, dtype=value.dtype, device=device or value.device)


def bound_inputs(program: torch.export.ExportedProgram, inputs: Any) -> list[Input]:
    """The inputs that a caller describes for a program, in the order of its tensors, each with a name.

    Args:
        program: The program.
        inputs: An ``Input`` or a tensor for each tensor in the program's arguments, in a row; the arguments with these
            in place of tensors, in a list; or the same by name. None: as the program says.

    Raises:
        InputError: They are for another structure, or ask for what the program was not exported for.
    """
    call = program_call(program)
    if inputs is None:
        found: list[Any] = list(static_inputs(program))
    elif isinstance(inputs, Mapping):
        found = call.tensors((), inputs, (Input, torch.Tensor))
    else:
        found = as_list(inputs)
        if not all(isinstance(one, (Input, torch.Tensor)) for one in found) and not call.is_row:
            found = call.tensors(found, {}, (Input, torch.Tensor))
    described = [Input.of(one) for one in found]
    names = input_names(call)
    named = [
        one if one.name or place >= len(names) or names[place] is None else one.named(str(names[place]))
        for place, one in enumerate(described)
    ]
    bound = with_names(named)
    check_inputs(program, bound)
    return bound


def check_inputs(program: torch.export.ExportedProgram, inputs: Sequence[Input]) -> None:
    """Raises InputError if `inputs` ask for what the program was not exported for."""
    wanted = program_inputs(program)
    if len(wanted) != len(inputs):
        names = ", ".join(one.name for one in wanted)
        raise InputError(
            f"the ExportedProgram takes {len(wanted)} tensors ({names}), and inputs describes {len(inputs)}"
        )
    for one, given in zip(wanted, inputs, strict=True):
        _check_input(one, given)


def _check_input(wanted: ProgramInput, given: Input) -> None:
    which = f"input {given.name or wanted.name!r}"
    if given.dtype != wanted.dtype:
        raise InputError(
            f"{which}: the ExportedProgram takes {dtype_name(wanted.dtype)}, and inputs says {dtype_name(given.dtype)}"
        )
    if len(given.shape) != len(wanted.shape):
        raise InputError(
            f"{which}: the ExportedProgram takes {len(wanted.shape)} dimensions, and inputs says {list(given.shape)}"
        )
    lows = [one.min for one in given.ranges] or [given.shape]
    highs = [one.max for one in given.ranges] or [given.shape]
    for dim, extent in enumerate(wanted.shape):
        least, greatest = (extent, extent) if isinstance(extent, int) else extent
        low, high = min(shape[dim] for shape in lows), max(shape[dim] for shape in highs)
        if low < least or high > greatest:
            range_wanted = str(least) if least == greatest else f"{least} to {greatest}"
            raise InputError(
                f"{which}: dimension {dim} is {range_wanted} in the ExportedProgram, and inputs says {low} to {high}; "
                f"export it with a dynamic_shapes that allows these"
            )


def static_inputs(program: torch.export.ExportedProgram) -> list[Input]:
    """Inputs of a program whose shapes are all fixed.

    Raises:
        InputError: A dimension is dynamic.
    """
    described = program_inputs(program)
    for one in described:
        if any(not isinstance(extent, int) for extent in one.shape):
            raise InputError(
                f"input {one.name!r} of the ExportedProgram has a dynamic shape: give inputs with its range"
            )
    return [
        Input(shape=[int(str(e)) for e in one.shape], dtype=one.dtype, name=name)
        for one, name in zip(described, input_names(program_call(program)), strict=True)
    ]


def positional_module(program: torch.export.ExportedProgram) -> torch.nn.Module:
    """The program as a module that takes its tensors by position and that torch.jit.trace can follow."""
    program_inputs(program)
    _refuse_state(program)
    takes_guards = "check_guards" in inspect.signature(program.module).parameters
    module: torch.fx.GraphModule = program.module(check_guards=False) if takes_guards else program.module()
    module._forward_pre_hooks.clear()  # they check shapes: a tracer cannot follow that, and `check_inputs` did it
    _make_traceable(module)
    return _Positional(module, program_call(program))


def _refuse_state(program: torch.export.ExportedProgram) -> None:
    """Raises InputError for a program that changes its buffers, its parameters or its inputs."""
    calls = [node.target for node in program.graph.nodes if node.op == "call_function"]
    in_place = any(isinstance(call, torch._ops.OpOverload) and call._schema.is_mutable for call in calls)
    # The signature of a program without writes in its graph lists the state that it changes.
    signature = (program.run_decompositions({}) if in_place else program).graph_signature
    changed = [*signature.buffers_to_mutate.values(), *getattr(signature, "parameters_to_mutate", {}).values()]
    if changed:
        raise StateError(_C.state_message(f'the attribute "{changed[0]}"'))
    if signature.user_inputs_to_mutate:
        names = ", ".join(map(repr, signature.user_inputs_to_mutate.values()))
        raise InputError(
            f"forward changes its input {names} in place; an engine only reads its inputs: let forward clone it "
            f"first, and return the new value if the caller needs it"
        )


class _Positional(torch.nn.Module):
    """A wrapper whose mode can be changed to no effect: exporting and tracing change it, and programs forbid that."""

    def __init__(self, program: torch.nn.Module, call: Call) -> None:
        super().__init__()
        self.program = program
        self.call = call
        self.training = False

    def train(self, mode: bool = True) -> "_Positional":
        """Changes nothing: a program has the mode that it was exported in."""
        return self

    def forward(self, *tensors: torch.Tensor) -> object:
        """Calls the program."""
        args, kwargs = self.call.build(tensors)
        return self.program(*args, **kwargs)


def _size(tensor: torch.Tensor, dim: int) -> int:
    return tensor.size(dim)


def _slice(
    tensor: torch.Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> torch.Tensor:
    before: list[slice] = [slice(None)] * (dim % tensor.dim())
    before.append(slice(start, None if end == _WITHOUT_END else end, step))
    return tensor[tuple(before)]


_WITHOUT_END = 2**63 - 1

_NATIVE: dict[object, Callable[..., object]] = {
    torch.ops.aten.sym_size.int: _size,
    torch.ops.aten.slice.Tensor: _slice,
}

_ASSERTIONS = {
    torch.ops.aten._assert_scalar.default,
    torch.ops.aten._assert_async.msg,
    torch.ops.aten._assert_tensor_metadata.default,
    torch.ops.aten.sym_constrain_range_for_size.default,
    torch.ops.aten.sym_constrain_range.default,
    torch._check,
}


def _make_traceable(module: torch.fx.GraphModule) -> None:
    """Removes assertions, and replaces operators on sizes by functions that the tracer records.

    The tracer follows a size through functions of torch's Python interface, but not through operators of torch.ops.
    """
    for node in list(module.graph.nodes):
        if node.op != "call_function":
            continue
        if node.target in _ASSERTIONS and not node.users:
            module.graph.erase_node(node)
        elif node.target in _NATIVE:
            node.target = _NATIVE[node.target]
        elif isinstance(node.target, torch._ops.OpOverload) and any(map(_is_size, node.all_input_nodes)):
            node.target = _native(node.target)
    module.graph.eliminate_dead_code()
    module.recompile()


def _is_size(node: torch.fx.Node) -> bool:
    return isinstance(node.meta.get("val"), torch.SymInt)


def _native(operator: "torch._ops.OpOverload[Any, Any]") -> Callable[..., object]:
    """The function of torch's Python interface that computes what the operator computes."""
    name = operator.overloadpacket.__name__
    for place in (torch, torch._C._nn, torch.Tensor):
        function = getattr(place, name, None)
        if function is not None:
            return cast(Callable[..., object], function)
    raise InputError(
        f"the ExportedProgram computes {operator} from a dynamic size, which cannot be traced; fix that dimension, or "
        f"give the nn.Module that it was exported from"
    )
