"""Programs of torch.export: their inputs, and a form of them that can be traced."""

import copy
import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch

from torch_nacelle import _C
from torch_nacelle._models.exported_guards import Guards, corners, refusal, why_failing
from torch_nacelle._models.state import StateError
from torch_nacelle._programs.structures import CONSTANTS, Call, Slot, Structure, key_of, name_of, unique
from torch_nacelle._runtime.input import Input, as_list, dtype_name, with_names
from torch_nacelle.errors import InputError

_INFINITE = 2**62

_SPECIAL_SIZES = 2
"""The sizes 0 and 1 are special to torch.export: a dimension that may have any size is recorded as 2 or more."""


@dataclass(frozen=True)
class ProgramInput:
    """An input that a program was exported for.

    Attributes:
        name: The argument's name.
        dtype: Its dtype.
        shape: For each dimension its size, or the least and the greatest if it was exported as dynamic; None if there
            is no greatest.
    """

    name: str
    dtype: torch.dtype
    shape: tuple[int | tuple[int, int | None], ...]


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
    shape = tuple(_extent(program, size) for size in value.shape)
    return ProgramInput(str(name), value.dtype, shape)


def _extent(program: torch.export.ExportedProgram, size: Any) -> int | tuple[int, int | None]:
    if isinstance(size, int):
        return size
    expression = size.node.expr
    if not expression.free_symbols:  # torch found at export that the model needs this size
        return int(expression)
    bounds = program.range_constraints.get(expression)
    return _bound(bounds, "lower") or 0, _bound(bounds, "upper")


def _bound(bounds: object, side: str) -> int | None:
    """A bound as a number; None if there is none, which torch writes as infinity or as the largest of int64."""
    try:
        bound = int(getattr(bounds, side))
    except (AttributeError, TypeError, OverflowError, ValueError):
        return None
    return bound if abs(bound) < _INFINITE else None


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


def check_inputs(program: torch.export.ExportedProgram, inputs: Sequence[Input], *, own: bool = False) -> None:
    """Raises InputError if `inputs` ask for what the program was not exported for.

    The program runs on made-up inputs if they ask for sizes that torch.export did not record but may run.

    Args:
        program: The program.
        inputs: Its inputs.
        own: True if Nacelle exported the program, so that messages have no advice for another export.
    """
    try:
        _check_inputs(program, inputs)
    except _RefusedError as error:
        raise InputError(error.refusal if own else f"{error.refusal}; {error.remedy}") from None


class _RefusedError(Exception):
    """Inputs that a program was not exported for, and a way to export it for them."""

    def __init__(self, refusal: str, remedy: str) -> None:
        super().__init__(refusal)
        self.refusal = refusal
        self.remedy = remedy


def _check_inputs(program: torch.export.ExportedProgram, inputs: Sequence[Input]) -> None:
    wanted = program_inputs(program)
    if len(wanted) != len(inputs):
        names = ", ".join(one.name for one in wanted)
        raise InputError(
            f"the ExportedProgram takes {len(wanted)} tensors ({names}), and inputs describes {len(inputs)}"
        )
    below = [dim for one, given in zip(wanted, inputs, strict=True) for dim in _check_input(one, given)]
    guards = _guards(program)
    if not (below or guards):
        return
    module = positional_module(program, check_state=False)
    by_name = {one.name: given for one, given in zip(wanted, inputs, strict=True)}
    shapes = {node.name: node.meta["val"].shape for node in program.graph.nodes if node.name in by_name}
    for call in corners(by_name):
        special = any(call.shapes[dim.input][dim.number] < _SPECIAL_SIZES for dim in below)
        if special and (why := why_failing(module, call, by_name)):
            refused = f"{below[0].refusal}; it fails on inputs of the shapes {call}: {why}"
            raise _RefusedError(refused, below[0].remedy)
    if reason := refusal(guards, module, shapes, by_name):
        raise _RefusedError(
            reason,
            "give shapes, or several optimization profiles, for which it holds, or the nn.Module that was exported",
        )


def _guards(program: torch.export.ExportedProgram) -> Guards:
    """The program's guards, of which torch makes a function only if the program has example inputs."""
    return Guards(with_example_inputs(copy.copy(program)))


@dataclass(frozen=True)
class _Dimension:
    """A dimension of an input and what is wanted of it."""

    input: str
    number: int
    refusal: str
    remedy: str


def _check_input(wanted: ProgramInput, given: Input) -> list[_Dimension]:
    """The dimensions that ask for a special size, which the program may or may not run."""
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
    below = []
    for number, extent in enumerate(wanted.shape):
        least, greatest = (extent, extent) if isinstance(extent, int) else extent
        low, high = min(shape[number] for shape in lows), max(shape[number] for shape in highs)
        if low >= least and (greatest is None or high <= greatest):
            continue
        dimension = _Dimension(
            wanted.name,
            number,
            f"{which}: dimension {number} is {_range(least, greatest)} in the ExportedProgram, and inputs says "
            f"{_range(low, high)}",
            f"export it with dynamic_shapes that allow these: "
            f'{wanted.name!r}: {{{number}: torch.export.Dim("b", min={low}, max={high})}}',
        )
        if isinstance(extent, int) or least != _SPECIAL_SIZES or (greatest is not None and high > greatest):
            raise _RefusedError(dimension.refusal, dimension.remedy)
        below.append(dimension)
    return below


def _range(low: int, high: int | None) -> str:
    return f"{low} or more" if high is None else f"{low}" if low == high else f"{low} to {high}"


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


def positional_module(
    program: torch.export.ExportedProgram, *, check_state: bool = True, check_guards: bool = False
) -> torch.nn.Module:
    """The program as a module that takes its tensors by position and that torch.jit.trace can follow.

    Args:
        program: The program.
        check_state: True if a program that keeps state is refused.
        check_guards: True if each call checks the program's guards, which no tracer can follow.

    Raises:
        InputError: The program takes something that no engine takes, or it is refused.
    """
    names = [one.name for one in program_inputs(program)]
    if check_state:
        _refuse_state(program)
    takes_guards = "check_guards" in inspect.signature(program.module).parameters
    module: torch.fx.GraphModule = program.module(check_guards=False) if takes_guards else program.module()
    module._forward_pre_hooks.clear()  # they check shapes: a tracer cannot follow that, and `check_inputs` did it
    _make_traceable(module)
    return _Positional(module, program_call(program), names, _guards(program) if check_guards else None)


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

    def __init__(self, program: torch.nn.Module, call: Call, names: Sequence[str], guards: Guards | None) -> None:
        super().__init__()
        self.program = program
        self.call = call
        self.training = False
        self._names = names
        self._guards = guards

    def train(self, mode: bool = True) -> "_Positional":
        """Changes nothing: a program has the mode that it was exported in."""
        return self

    def forward(self, *tensors: torch.Tensor) -> object:
        """Calls the program."""
        if self._guards is not None:
            given = dict(zip(self._names, tensors, strict=True))
            if failed := self._guards.failed(given):
                shapes = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in given.items())
                raise InputError(f"the ExportedProgram is right only if {failed}, which does not hold for {shapes}")
        args, kwargs = self.call.build(tensors)
        return self.program(*args, **kwargs)


def _size(tensor: torch.Tensor, dim: int) -> int:
    return tensor.size(dim)


def _slice(
    tensor: torch.Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> torch.Tensor:
    before: list[slice] = [slice(None)] * (dim % tensor.dim())
    # A size is a tensor while it is traced, and comparing it would be a decision.
    before.append(slice(start, None if isinstance(end, int) and end == _WITHOUT_END else end, step))
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
