"""Programs that are loaded to be run, and the inputs of their calls."""

import io
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch

import nacelle_core
from nacelle_core import Record
from torch_nacelle import _C
from torch_nacelle._programs.archives import ProgramFile, ProgramSource
from torch_nacelle._programs.arguments import example_inputs, forward_schema
from torch_nacelle._runtime.holders import joined
from torch_nacelle._runtime.input import as_list
from torch_nacelle._runtime.torch_state import without_deprecations
from torch_nacelle.errors import InputError

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


def device_of(program: torch.nn.Module) -> torch.device:
    """Returns the device that a program takes its inputs on: that of its tensors.

    If only its engines are on a GPU, it is the current GPU.
    """
    devices = {tensor.device for tensor in [*program.parameters(), *program.buffers()]}
    for device in devices:
        if device.type == "cuda":
            return device
    if torch.cuda.is_available() and any(_is_for_gpu(site) for site in _C.find_engines(joined(program))):
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


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
