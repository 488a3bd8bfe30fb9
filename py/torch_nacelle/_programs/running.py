"""Programs that are loaded to be run, and the inputs of their calls."""

import io
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch

from torch_nacelle import _C
from torch_nacelle._programs.archives import ProgramFile, ProgramSource
from torch_nacelle._programs.arguments import example_inputs, forward_schema
from torch_nacelle._runtime.holders import joined
from torch_nacelle._runtime.input import as_list
from torch_nacelle._runtime.torch_state import without_deprecations
from torch_nacelle.errors import InputError

CallInputs: TypeAlias = Mapping[str, torch.Tensor] | Sequence[torch.Tensor] | torch.Tensor

_CPU = "0%0%0%0%cpu"  # the device that records of the reference engine name


def load_program(source: ProgramSource, device: str | None = None) -> torch.jit.ScriptModule:
    """``torch.jit.load``, to `device`; left out, tensors of a GPU come to the CPU where there is none.

    Raises:
        InputError: It is no TorchScript program.
        OSError: It cannot be opened; FileNotFoundError where there is none.
    """
    file = ProgramFile(source, every_entry=False)
    where = device or (None if torch.cuda.is_available() else "cpu")

    def load() -> torch.jit.ScriptModule:
        opened: str | io.BytesIO = io.BytesIO(file.content) if file.path is None else str(file.path)
        with without_deprecations():
            loaded: torch.jit.ScriptModule = torch.jit.load(opened, map_location=where)
        return loaded

    return file.load(load)


def device_of_program(program: torch.nn.Module) -> torch.device:
    """Where a program wants its inputs: where its tensors are; the current GPU where only its engines are on one."""
    devices = {tensor.device for tensor in [*program.parameters(), *program.buffers()]}
    for device in devices:
        if device.type == "cuda":
            return device
    if torch.cuda.is_available() and any(site.device != _CPU for site in _C.find_engines(joined(program))):
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


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
