"""Programs that are loaded to be run, and the inputs of their calls."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import torch

import nacelle_core
from nacelle_core import Record
from torch_nacelle import _C
from torch_nacelle._programs.archives import ProgramFile, ProgramSource
from torch_nacelle._programs.arguments import example_inputs, forward_schema
from torch_nacelle._runtime.holders import AnyProgram, engines_of_package, is_package, joined
from torch_nacelle._runtime.input import as_list
from torch_nacelle._runtime.torch_state import without_deprecations
from torch_nacelle.errors import InputError

if TYPE_CHECKING:
    from torch.export.pt2_archive._package import AOTICompiledModel

CallInputs: TypeAlias = Mapping[str, torch.Tensor] | Sequence[torch.Tensor] | torch.Tensor


def load(source: ProgramSource, device: str | None = None) -> torch.jit.ScriptModule:
    """Loads a program as ``torch.jit.load`` does; errors name the kind of the file, and its damaged entry.

    Loading runs code that the file brings, so give one that you trust.

    Args:
        source: A file that ``torch.jit.save`` wrote, as a path or open for reading bytes.
        device: The device of its tensors; left out, the one that they were saved on, or the CPU if there is no GPU.

    Returns:
        The program.

    Raises:
        InputError: It is no TorchScript program.
        OSError: It cannot be opened; FileNotFoundError if there is none.
    """
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

    If only its engines are on a GPU, it is the current GPU. An AOTInductor package tells the kind of device that it
    was compiled for; of several GPUs it is that of its engines, if torch gives them (2.13), else the current one.
    """
    if is_package(program):
        return _device_of_package(program)
    devices = {tensor.device for tensor in [*program.parameters(), *program.buffers()]}
    for device in devices:
        if device.type == "cuda":
            return device
    if torch.cuda.is_available() and any(_is_for_gpu(site) for site in _C.find_engines(joined(program))):
        return torch.device("cuda", torch.cuda.current_device())
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


def _is_for_gpu(site: _C.EngineSite) -> bool:
    return Record.parse(site.fields).device != nacelle_core.CPU_DEVICE


def named_inputs(program: torch.jit.ScriptModule, inputs: CallInputs | None) -> dict[str, torch.Tensor]:
    """The inputs by name, in the order of a call."""
    if inputs is None:
        return example_inputs(program, generator=torch.Generator("cpu").manual_seed(0))
    arguments = forward_schema(program).arguments[1:]
    names = [argument.name for argument in arguments]
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
    required = [argument.name for argument in arguments if not argument.has_default_value()]
    missing = [name for name in [*names[: len(given)], *required] if name not in given]
    if missing:
        raise InputError(
            f"an input for argument {missing[0]} of forward is missing; given: {', '.join(given) or 'none'}"
        )
    return given
