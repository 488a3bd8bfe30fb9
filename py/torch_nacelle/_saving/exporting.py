"""Modules with engines, exported with torch.export. The engines' optimization profiles give the dynamic shapes."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _pytree

from torch_nacelle._export.engine_module import EngineModule
from torch_nacelle._models.descriptions import describe, parameters_of
from torch_nacelle._models.exported_program import input_nodes, program_inputs
from torch_nacelle._models.model_state import for_inference
from torch_nacelle._models.sources import InputDescriptions
from torch_nacelle._programs.running import device_of
from torch_nacelle._programs.structures import CONSTANTS, Call, Slot, row_call
from torch_nacelle._runtime.input import Input, as_list
from torch_nacelle._runtime.messages import first_lines
from torch_nacelle._saving import graphs
from torch_nacelle.errors import Error, InputError

_NO_BOUND = 2**31


@dataclass(frozen=True)
class _Argument:
    """An input of a module: a tensor to trace with, and the range of each dimension; None if it is fixed.

    A range of None for all dimensions leaves them to torch.
    """

    example: torch.Tensor
    ranges: tuple[tuple[int, int] | None, ...] | None


def export(module: torch.nn.Module, inputs: InputDescriptions | None) -> torch.export.ExportedProgram:
    """Exports a module with engines, or a TorchScript program of engines alone.

    Args:
        module: The module; in eval mode while it is traced.
        inputs: Its inputs, as ``build_engine`` takes them. An ``Input`` says which dimensions vary. Of a tensor, every
            dimension may vary that the module lets vary, as far as the optimization profiles allow. Left out: as the
            engines say.

    Raises:
        InputError: The inputs are not known, or the module cannot be exported.
        Error: An engine cannot be set up here.
    """
    known: Sequence[Input | None] = ()
    device = device_of(module)
    call: Call | None = None
    if isinstance(module, EngineModule):
        module, known, call = graphs.of_engine(module)
    elif isinstance(module, torch.jit.ScriptModule):
        module, known = graphs.of_script(module)
    given: Sequence[Input | torch.Tensor | None] = known
    if inputs is not None and call is not None:
        given = call.tensors(*_arguments(inputs), (Input, torch.Tensor))
    elif inputs is not None:
        _, call = describe(inputs, parameters_of(module))
        given = call.tensors(*_arguments(inputs), (Input, torch.Tensor))
    missing = [place for place, one in enumerate(given) if one is None]
    if (not given and not known) or missing:
        which = f"of argument {missing[0]} " if missing else ""
        raise InputError(
            f"the inputs {which}of {type(module).__name__} are not known, since its engines alone do not tell them; "
            "give inputs=[nacelle.Input(min=(1, 3), opt=(4, 3), max=(8, 3)), …], or tensors to trace it with"
        )
    arguments = [_argument(one, device) for one in given if one is not None]
    with for_inference(module), torch.no_grad():
        return _exported(module, arguments, call or row_call(len(arguments)))


def _arguments(inputs: InputDescriptions) -> tuple[list[Any], Mapping[str, Any]]:
    """The arguments by position and by name that a caller describes."""
    return ([], inputs) if isinstance(inputs, Mapping) else (as_list(inputs), {})


def _argument(given: Input | torch.Tensor, device: torch.device) -> _Argument:
    if isinstance(given, torch.Tensor):
        return _Argument(torch.zeros_like(given), None)
    if not given.dynamic:
        return _Argument(torch.zeros(given.shape, dtype=given.dtype, device=device), (None,) * len(given.shape))
    low = [min(sizes) for sizes in zip(*(one.min for one in given.ranges), strict=True)]
    high = [max(sizes) for sizes in zip(*(one.max for one in given.ranges), strict=True)]
    ranges = tuple(
        (least, greatest) if size == -1 and greatest > least else None
        for size, least, greatest in zip(given.shape, low, high, strict=True)
    )
    # torch takes a size of 1 for fixed, so the example has another one if a profile allows it.
    best = max(given.ranges, key=lambda one: sum(size > 1 for size in one.max))
    shape = [
        max(opt, min(2, most)) if varies else opt for opt, most, varies in zip(best.opt, best.max, ranges, strict=True)
    ]
    return _Argument(torch.zeros(shape, dtype=given.dtype, device=device), ranges)


def _exported(module: torch.nn.Module, arguments: Sequence[_Argument], call: Call) -> torch.export.ExportedProgram:
    """Exports twice: first to learn which dimensions vary together, and then with their ranges."""
    examples = tuple(one.example for one in arguments)
    if not any(one.ranges is None or any(one.ranges) for one in arguments):
        return _run(module, call, examples, None)
    auto = torch.export.Dim.AUTO
    shapes = [
        {dim: auto for dim in range(one.example.dim()) if one.ranges is None or one.ranges[dim]} for one in arguments
    ]
    first = _run(module, call, examples, shapes)
    dims = _Dims(first, arguments)
    for least in (1, 2):
        try:
            program = _run(module, call, examples, dims.shapes(least))
            _check_at_one(module, call, program)
            _keep_guards(program, first)
            return program
        except InputError as error:
            if not dims.asked:
                continue
            if not dims.asked_for_one:
                raise
            raise InputError(
                f"{error.reason}; if the module treats a size of 1 apart, give inputs that begin with 2"
            ) from error
    return first


def _keep_guards(program: torch.export.ExportedProgram, first: torch.export.ExportedProgram) -> None:
    """Gives a program the guards of one of the same module without ranges.

    torch leaves out a guard that follows from a range, such as one against the size 1 from a least size of 2. But it
    does not check a least size of 2 when the program is called.
    """
    guards = getattr(program, "_guards_code", None)
    if guards is not None:
        program._guards_code = [*guards, *(one for one in first._guards_code if one not in guards)]


def _check_at_one(module: torch.nn.Module, call: Call, program: torch.export.ExportedProgram) -> None:
    """Raises InputError if the module returns other shapes than the program for inputs of the size 1.

    torch follows a module with sizes above 1, and takes 1 for one size of many where only that can be followed.
    """
    tensors = [node.meta["val"] for node in input_nodes(program)]
    described = program_inputs(program)
    sizes: dict[Any, int] = {}
    for tensor, known in zip(tensors, described, strict=True):
        for size, extent in zip(tensor.shape, known.shape, strict=True):
            if not isinstance(size, int) and not isinstance(extent, int) and size.node.expr.is_Symbol:
                sizes[size.node.expr] = 1 if extent[0] <= 1 else size.node.hint
    if 1 not in sizes.values():
        return

    def at(size: Any) -> int | None:
        value = size if isinstance(size, int) else size.node.expr.xreplace(sizes)
        return int(value) if isinstance(value, int) or value.is_Integer else None

    from torch._subclasses import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    shapes = [[at(size) or 0 for size in tensor.shape] for tensor in tensors]
    try:
        with FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv()):
            made = [
                torch.zeros(shape, dtype=one.dtype, device=one.device)
                for shape, one in zip(shapes, tensors, strict=True)
            ]
            args, kwargs = call.build(made)
            outputs = _pytree.tree_leaves(module(*args, **kwargs))
    except Error:
        raise
    except Exception as error:  # torch raises all kinds
        raise InputError(f"{type(module).__name__} does not run with {shapes}: {first_lines(error)}") from error
    (said,) = program.graph.output_node().args
    for output, node in zip(outputs, said, strict=False):
        value = getattr(node, "meta", {}).get("val")
        if not isinstance(output, torch.Tensor) or not isinstance(value, torch.Tensor):
            continue
        found, wanted = [at(size) for size in value.shape], list(output.shape)
        fits = len(found) == len(wanted) and all(
            one is None or not isinstance(other, int) or one == other for one, other in zip(found, wanted, strict=True)
        )
        if not fits:
            raise InputError(
                f"{type(module).__name__} returns the shape {wanted} for inputs of {shapes}, and the exported program "
                f"{found}"
            )


class _Dims:
    """The ranges of sizes that a first export found, made as wide as the arguments say."""

    def __init__(self, program: torch.export.ExportedProgram, arguments: Sequence[_Argument]) -> None:
        self._arguments = arguments
        self._shapes = [node.meta["val"].shape for node in input_nodes(program)]
        self._found = [one.shape for one in program_inputs(program)]
        self._made: dict[str, Any] = {}
        self._least = 1
        self.asked = any(one.ranges is not None for one in arguments)
        self.asked_for_one = any(one is not None and one[0] <= 1 for each in arguments for one in each.ranges or ())

    def shapes(self, least: int) -> list[dict[int, Any]]:
        """The dimensions that vary; those whose least size torch chose begin with `least`."""
        self._made.clear()
        self._least = least
        return [
            {
                dim: self._dim(place, dim)
                for dim, found in enumerate(shape)
                if not isinstance(found, int) or self._asked(place, dim)
            }
            for place, shape in enumerate(self._found)
        ]

    def _asked(self, place: int, dim: int) -> tuple[int, int] | None:
        ranges = self._arguments[place].ranges
        return None if ranges is None else ranges[dim]

    def _dim(self, place: int, dim: int) -> Any:
        asked = self._asked(place, dim)
        found = self._found[place][dim]
        if isinstance(found, int):
            raise InputError(
                f"dimension {dim} of argument {place} is {asked} in inputs, and the program takes {found} alone: give "
                "an Input with this size there"
            )
        key = str(self._shapes[place][dim].node.expr)
        if key not in self._made:
            low, high = asked or (self._least if found[0] in (0, 2) else found[0], found[1])  # torch's own least sizes
            self._made[key] = torch.export.Dim(
                f"size_{len(self._made)}", min=low, max=None if high is None or high >= _NO_BOUND else high
            )
        return self._made[key]


def _run(
    module: torch.nn.Module, call: Call, examples: tuple[torch.Tensor, ...], shapes: Sequence[Any] | None
) -> torch.export.ExportedProgram:
    args, kwargs = call.build(examples)
    try:
        # A size of 1 is one size of many then, unless the module treats it apart.
        with torch.fx.experimental._config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
            return torch.export.export(
                module,
                args,
                kwargs,
                dynamic_shapes=None if shapes is None else _dynamic_shapes(module, call, shapes),
                strict=False,
            )
    except Error:
        raise
    except Exception as error:  # torch raises all kinds
        raise InputError(f"{type(module).__name__} cannot be exported: {first_lines(error, 8)}") from error


def _dynamic_shapes(module: torch.nn.Module, call: Call, shapes: Sequence[Any]) -> dict[str, Any]:
    """The shapes in the structure that torch.export wants, by the names of forward's parameters."""
    args, kwargs = call.structure.template

    def shaped(value: Any) -> Any:
        if isinstance(value, Slot):
            return shapes[value.place]
        if isinstance(value, CONSTANTS):
            return None
        children, spec = _pytree.tree_flatten(value, is_leaf=lambda one: one is not value)
        made = [shaped(child) for child in children]
        return _pytree.tree_unflatten(made, spec) if type(value) in _pytree.BUILTIN_TYPES else made

    by_position = [shaped(one) for one in args]
    by_name = {name: shaped(one) for name, one in kwargs.items()}
    return inspect.signature(module.forward).bind(*by_position, **by_name).arguments
