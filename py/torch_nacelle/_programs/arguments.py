"""The parameters of a program's forward, with the dtypes and shapes that its engines take."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch

from torch_nacelle._programs.signatures import Fed, Parameter, described_input, signature
from torch_nacelle._runtime.holders import AnyProgram
from torch_nacelle._runtime.input import Input
from torch_nacelle.errors import InputError

At: TypeAlias = Literal["min", "opt", "max"]
Fill: TypeAlias = Literal["random", "zeros", "ones"]


@dataclass(frozen=True)
class Argument:
    """An argument of a program's forward.

    Attributes:
        name: Its name.
        input: The dtype and the shapes that it may have: those of the engine's input that it goes to as it is; of an
            exported program, those of them that it was exported for. Its name is that of the engine's input, or None if
            it goes to none. None if they are not known.
        engine: The path of that engine; None if it goes to none, or the program does not tell.
        why_unknown: Why `input` is not known; empty if it is.
        required: False if it has a default, or a value that the program was exported for; nothing else is told of such
            an argument.
    """

    name: str
    input: Input | None
    engine: str | None
    why_unknown: str = ""
    required: bool = True


def arguments(program: AnyProgram) -> list[Argument]:
    """Returns the arguments of a program's forward, with the facts that the program and its engines tell about them.

    Sets up the engines that they go to, if that has not been done.

    Args:
        program: A loaded program of any kind, or an ``nn.Module`` with engines inside. Of an exported program each
            tensor in a tuple, list or dict is an argument. Of an AOTInductor package the facts are those that
            ``nacelle.save`` wrote beside it; arguments that it gave no name are ``input_0``, ``input_1`` … Of a module
            that is neither an ``EngineModule`` nor an ``nn.Sequential`` which begins with one, only names are known.

    Returns:
        The arguments in the order of a call.

    Raises:
        InputError: `program` is no program.
    """
    told = signature(program)
    engines = {one.name: _of_engine(one.fed) for one in told.parameters if one.fed is not None and one.required}
    inputs: dict[str, Input | str] = dict(engines)
    if told.exported is not None and told.exported.tensors:
        known = {name: one for name, one in engines.items() if isinstance(one, Input)}
        try:
            exported: dict[str, Input] | str = told.exported.inputs(known)
        except InputError as error:
            exported = error.reason
        for name in told.exported.tensors:
            inputs[name] = exported if isinstance(exported, str) else exported[name]
    return [_argument(one, inputs.get(one.name, one.known or one.why_unknown)) for one in told.parameters]


def _argument(parameter: Parameter, found: Input | str) -> Argument:
    if not parameter.required:
        return Argument(parameter.name, None, None, "it has a default", required=False)
    path = parameter.fed.path if parameter.fed is not None else None
    if isinstance(found, str):
        return Argument(parameter.name, None, path, found)
    return Argument(parameter.name, found, path)


def _of_engine(fed: Fed) -> Input | str:
    """The engine's input, or the reason that it is not known."""
    reason: str = fed.engine.why_not_ready()
    return reason or described_input(fed.engine, fed.place)


def example_inputs(
    program: AnyProgram,
    *,
    optimization_profile: int = 0,
    at: At = "opt",
    fill: Fill = "random",
    generator: torch.Generator | None = None,
) -> dict[str, torch.Tensor]:
    """Makes tensors to call a program with, by the names of forward's arguments, on the CPU.

        inputs = nacelle.example_inputs(program, at="max")
        outputs = nacelle.call(program, inputs)

    Args:
        program: A loaded program whose arguments go to engines as they are, or tell their shapes; see ``arguments``.
        optimization_profile: The optimization profile whose shapes to take; the last one if an engine has fewer.
        at: Which shapes of it, and values that decide about shapes.
        fill: ``"random"``: normal for floating-point numbers, 0 to 9 for integers. Values that decide about shapes are
            those of the profile.
        generator: For ``"random"``.

    Returns:
        The tensors, in the order of the arguments.

    Raises:
        InputError: The dtype and shape of an argument are not known; the message says why.
    """
    result = {}
    for argument in (argument for argument in arguments(program) if argument.required):
        if argument.input is None:
            raise InputError(
                f"the dtype and shape of argument {argument.name} are not known: {argument.why_unknown}; give a tensor"
            )
        shape, values = argument.input.shape, argument.input.values
        if values:
            chosen = values[min(optimization_profile, len(values) - 1)]
            result[argument.name] = argument.input.tensor_of(getattr(chosen, at))
            continue
        if argument.input.dynamic:
            chosen = argument.input.ranges[min(optimization_profile, len(argument.input.ranges) - 1)]
            shape = getattr(chosen, at)
        result[argument.name] = example_tensor(shape, argument.input.dtype, fill=fill, generator=generator)
    return result


def example_tensor(
    shape: tuple[int, ...], dtype: torch.dtype, *, fill: Fill = "random", generator: torch.Generator | None = None
) -> torch.Tensor:
    """Makes a tensor of made-up values on the CPU; see ``example_inputs``."""
    if fill != "random":
        make = torch.zeros if fill == "zeros" else torch.ones
        return make(shape, dtype=dtype, device="cpu")
    if dtype.is_complex or dtype.is_floating_point:
        return torch.randn(shape, generator=generator, dtype=torch.float32, device="cpu").to(dtype)
    high = 2 if dtype == torch.bool else 10
    return torch.randint(0, high, shape, generator=generator, dtype=torch.int64, device="cpu").to(dtype)
