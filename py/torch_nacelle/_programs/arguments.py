"""The parameters of a program's forward, with the dtypes and shapes that its engines take."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch

from torch_nacelle._runtime.input import Input
from torch_nacelle.errors import InputError

At: TypeAlias = Literal["min", "opt", "max"]
Fill: TypeAlias = Literal["random", "zeros", "ones"]


@dataclass(frozen=True)
class Argument:
    """An argument of a program's forward.

    Attributes:
        name: Its name.
        input: The engine's input that it goes to as it is, with dtype and shapes; None if it goes to no engine
            directly, or the engine cannot be set up here.
        engine: The path of that engine; None if it goes to none.
        why_unknown: Why `input` is not known; empty if it is.
        required: False if it has a default; nothing else is told of such an argument.
    """

    name: str
    input: Input | None
    engine: str | None
    why_unknown: str = ""
    required: bool = True


def arguments(program: torch.jit.ScriptModule) -> list[Argument]:
    """Returns the arguments of a program's forward, with the facts that its engines tell about them.

    Sets up the engines that they go to, if that has not been done.

    Args:
        program: A loaded program.

    Returns:
        The arguments in the order of a call.
    """
    fed = dict(_fed(program))
    schema = forward_schema(program).arguments[1:]
    return [
        Argument(argument.name, None, None, "it has a default", required=False)
        if argument.has_default_value()
        else _argument(program, argument.name, fed.get(place))
        for place, argument in enumerate(schema)
    ]


def example_inputs(
    program: torch.jit.ScriptModule,
    *,
    optimization_profile: int = 0,
    at: At = "opt",
    fill: Fill = "random",
    generator: torch.Generator | None = None,
) -> dict[str, torch.Tensor]:
    """Makes tensors to call a program with, by the names of forward's arguments, on the CPU.

    Args:
        program: A loaded program whose arguments go to engines as they are.
        optimization_profile: The optimization profile whose shapes to take; the last one if an engine has fewer.
        at: Which shapes of it.
        fill: ``"random"``: normal for floating-point numbers, 0 to 9 for integers.
        generator: For ``"random"``.

    Returns:
        The tensors, in the order of the arguments.

    Raises:
        InputError: An argument goes to no engine directly, or to one that cannot be set up here.
    """
    result = {}
    for argument in (argument for argument in arguments(program) if argument.required):
        if argument.input is None:
            raise InputError(
                f"the dtype and shape of argument {argument.name} are not known: {argument.why_unknown}; give a tensor"
            )
        shape = argument.input.shape
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


def forward_schema(program: torch.jit.ScriptModule) -> Any:
    """The schema of a program's forward; its first argument is the program."""
    return program._c._get_method("forward").schema


def _argument(program: torch.jit.ScriptModule, name: str, fed: tuple[str, int] | None) -> Argument:
    if fed is None:
        return Argument(name, None, None, "it goes to no engine directly")
    path, place = fed
    engine: Any = program
    for part in path.split("."):
        engine = getattr(engine, part)
    if engine.why_not_ready():
        return Argument(name, None, path, engine.why_not_ready())
    binding, dtype, shape, profiles = engine.inputs()[place]
    kind = getattr(torch, dtype)
    if -1 not in shape:
        return Argument(name, Input(shape=shape, dtype=kind, name=binding), path)
    low, opt, high = ([profile[which] for profile in profiles] for which in range(3))
    return Argument(name, Input(shape=shape, dtype=kind, min=low, opt=opt, max=high, name=binding), path)


def _fed(program: torch.jit.ScriptModule) -> Iterator[tuple[int, tuple[str, int]]]:
    """The arguments that go to an engine as they are: place, the engine's path, and place among the engine's inputs."""
    graph: Any = program.inlined_graph
    names = [value.debugName() for value in graph.inputs()]
    module = names[0]
    for node in [*graph.findAllNodes("tensorrt::execute_engine"), *graph.findAllNodes("trt::execute_engine")][::-1]:
        tensors, engine = node.inputs()
        path = _path(engine, module)
        if path is None or tensors.node().kind() != "prim::ListConstruct":
            continue
        for place, value in enumerate(tensors.node().inputs()):
            if value.debugName() in names[1:]:
                yield names.index(value.debugName()) - 1, (path, place)


def _path(value: Any, module: str) -> str | None:
    """The path of attributes that leads from the module to a value of its graph; None if the value is no attribute."""
    parts: list[str] = []
    while value.debugName() != module:
        node = value.node()
        if node.kind() != "prim::GetAttr":
            return None
        parts.insert(0, node.s("name"))
        (value,) = node.inputs()
    return ".".join(parts)
