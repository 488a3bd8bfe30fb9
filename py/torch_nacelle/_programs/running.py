"""Programs that are loaded to be run, and the inputs of their calls."""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

import nacelle_core
from nacelle_core import Record
from torch_nacelle import _C
from torch_nacelle._programs.archives import ProgramFile, ProgramSource
from torch_nacelle._programs.arguments import arguments, example_inputs
from torch_nacelle._programs.signatures import signature
from torch_nacelle._runtime.holders import AnyProgram, engines_of_package, is_package, joined
from torch_nacelle._runtime.input import Input, ShapeRange, as_list, dtype_name
from torch_nacelle._runtime.torch_state import without_deprecations
from torch_nacelle.errors import Error, InputError

if TYPE_CHECKING:
    from torch.export.pt2_archive._package import AOTICompiledModel

CallInputs: TypeAlias = Mapping[str, torch.Tensor] | Sequence[torch.Tensor] | torch.Tensor


def load(source: ProgramSource, device: str | None = None) -> torch.jit.ScriptModule:
    """Loads a TorchScript program as ``torch.jit.load`` does; see ``nacelle.load``."""
    file = ProgramFile(source, every_entry=False)
    where = device or (None if torch.cuda.is_available() else "cpu")

    def loaded_by_torch() -> torch.jit.ScriptModule:
        opened: str | io.BytesIO = io.BytesIO(file.content) if file.path is None else str(file.path)
        with without_deprecations():
            loaded: torch.jit.ScriptModule = torch.jit.load(opened, map_location=where)
        return loaded

    return file.load(loaded_by_torch)


def device_of(program: AnyProgram) -> torch.device:
    """Returns the device that a program takes its inputs on: that of its tensors.

    If only its engines are on a GPU, it is that of the first engine, which is set up to find out; the current GPU if it
    cannot be. An AOTInductor package tells the kind of device that it was compiled for; of several GPUs it is that of
    its engines, if torch gives them (2.13), else the current one.
    """
    if is_package(program):
        return _device_of_package(program)
    devices = {tensor.device for tensor in [*program.parameters(), *program.buffers()]}
    for device in devices:
        if device.type == "cuda":
            return device
    if torch.cuda.is_available():
        for site in _C.find_engines(joined(program)):
            if _is_for_gpu(site):
                return _gpu_of(site)
    return torch.device("cpu")


def _device_of_package(package: "AOTICompiledModel") -> torch.device:
    kind = package.get_metadata()["AOTI_DEVICE_KEY"]
    if kind != "cuda":
        return torch.device(kind)
    try:
        engines = engines_of_package(package)
    except InputError:  # torch 2.11
        engines = []
    devices = (torch.device(_C.engine_device(engine)) for _, engine in engines)
    current = torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cuda")
    return next((device for device in devices if device.type == "cuda"), current)


def _gpu_of(site: _C.EngineSite) -> torch.device:
    try:
        return torch.device(site.device())
    except Error:  # a call of the engine says why it cannot run
        return torch.device("cuda", torch.cuda.current_device())


def _is_for_gpu(site: _C.EngineSite) -> bool:
    return Record.parse(site.fields).device != nacelle_core.CPU_DEVICE


def call(program: AnyProgram, inputs: CallInputs) -> Any:
    """Calls a program of any kind.

        outputs = nacelle.call(program, {"images": images, "scale": scale})

    A ``ScriptModule`` or an ``nn.Module`` is called with tensors in a row or by name; an exported program and an
    AOTInductor package take theirs in the structure that they were exported with, which this makes.

    Args:
        program: The program that ``load`` returned, or an ``nn.Module``.
        inputs: The tensors, by the names that ``arguments`` gives, or in its order. They stay on their device.

    Returns:
        The result of the call.

    Raises:
        InputError: There is no such argument, or one is missing.
        Error: As the call raises it.
    """
    given = named_inputs(program, inputs)
    return caller(program, given)(*given.values())


def caller(program: AnyProgram, names: Iterable[str]) -> Callable[..., Any]:
    """A function that calls a program with tensors for the arguments of these names, in their order."""
    return signature(program).caller(list(names))


def named_inputs(program: AnyProgram, inputs: CallInputs | None) -> dict[str, torch.Tensor]:
    """The inputs by name, in the order of a call; made up if there are none."""
    if inputs is None:
        return example_inputs(program, generator=torch.Generator("cpu").manual_seed(0))
    told = signature(program)
    parameters = [parameter for parameter in told.parameters if parameter.name not in told.constants]
    names = [parameter.name for parameter in parameters]
    if not isinstance(inputs, Mapping):
        listed = as_list(inputs)
        if len(listed) > len(names):
            raise InputError(f"forward takes {len(names)} arguments ({', '.join(names)}), found {len(listed)} inputs")
        inputs = dict(zip(names, listed, strict=False))
    unknown = [name for name in inputs if name not in names]
    if unknown:
        raise InputError(f"forward has no argument {', '.join(unknown)}; it has: {', '.join(names) or 'none'}")
    for name, value in inputs.items():
        if not isinstance(value, torch.Tensor):
            raise InputError(f"input {name} is of type {type(value).__name__}; a program is called with tensors")
    given = {name: inputs[name] for name in names if name in inputs}
    missing = [parameter.name for parameter in parameters if parameter.required and parameter.name not in given]
    if missing:
        raise InputError(
            f"an input for argument {missing[0]} of forward is missing; given: {', '.join(given) or 'none'}"
        )
    if is_package(program) or isinstance(program, torch.fx.GraphModule):
        _check_shapes(program, given)
    return given


def _check_shapes(program: AnyProgram, given: Mapping[str, torch.Tensor]) -> None:
    """Raises InputError for a tensor that a program was not exported for: torch's own errors name no argument."""
    for argument in arguments(program):
        tensor, wanted = given.get(argument.name), argument.input
        if tensor is None or wanted is None:
            continue
        goes_to_engine = wanted.name is not None  # which may convert it, or says itself what it wants
        if tensor.dtype != wanted.dtype and not goes_to_engine:
            raise InputError(
                f'input "{argument.name}" has dtype {dtype_name(tensor.dtype)}; wanted {dtype_name(wanted.dtype)}; '
                f"convert it with .to({wanted.dtype})"
            )
        ranges = wanted.ranges if wanted.dynamic else (ShapeRange(wanted.shape, wanted.shape, wanted.shape),)
        if not any(_is_in(list(tensor.shape), one, wanted, bounded=goes_to_engine) for one in ranges):
            texts = " or ".join(_range_text(one, wanted, bounded=goes_to_engine) for one in ranges)
            raise InputError(f'input "{argument.name}" has the shape {list(tensor.shape)}; wanted {texts}')


def _is_in(shape: Sequence[int], allowed: ShapeRange, wanted: Input, *, bounded: bool) -> bool:
    """True if a shape is in a range; `bounded` is False if the largest sizes are those of an example."""
    return len(shape) == len(allowed.min) and all(
        low <= size <= high or (size > high and wanted.shape[dim] == -1 and not bounded)
        for dim, (low, size, high) in enumerate(zip(allowed.min, shape, allowed.max, strict=True))
    )


def _range_text(allowed: ShapeRange, wanted: Input, *, bounded: bool) -> str:
    sizes = [
        str(low) if wanted.shape[dim] != -1 else f"{low}..{high}" if bounded else f"{low}.."
        for dim, (low, high) in enumerate(zip(allowed.min, allowed.max, strict=True))
    ]
    return f"[{', '.join(sizes)}]"
