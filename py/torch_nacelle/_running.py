"""Programs that are loaded to be run, and the inputs of their calls."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import torch

from torch_nacelle import _C
from torch_nacelle._arguments import example_inputs, forward_schema
from torch_nacelle._program import PathLike
from torch_nacelle._torch_state import without_deprecations
from torch_nacelle.errors import InputError

Inputs: TypeAlias = Mapping[str, torch.Tensor] | Sequence[torch.Tensor]

_CPU = "0%0%0%0%cpu"  # the device that records of the reference engine name


def load_program(path: PathLike) -> torch.jit.ScriptModule:
    """``torch.jit.load``; tensors of a GPU come to the CPU where there is none."""
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with without_deprecations():
            loaded: torch.jit.ScriptModule = torch.jit.load(
                str(path), map_location=None if torch.cuda.is_available() else "cpu"
            )
    except RuntimeError as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), "no reason given")
        raise InputError(f"{path} cannot be read as a TorchScript program: {reason}") from error
    return loaded


def device_of(program: torch.jit.ScriptModule) -> torch.device:
    """Where a program wants its inputs: where its tensors are; the current GPU where only its engines are on one."""
    devices = {tensor.device for tensor in [*program.parameters(), *program.buffers()]}
    for device in devices:
        if device.type == "cuda":
            return device
    if torch.cuda.is_available() and any(site.device != _CPU for site in _C.find_engines(program._c)):
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def named_inputs(program: torch.jit.ScriptModule, inputs: Inputs | None) -> dict[str, torch.Tensor]:
    """The inputs by name, in the order of a call."""
    if inputs is None:
        return example_inputs(program, generator=torch.Generator("cpu").manual_seed(0))
    names = [argument.name for argument in forward_schema(program).arguments[1:]]
    if not isinstance(inputs, Mapping):
        if len(inputs) > len(names):
            raise InputError(f"forward takes {len(names)} arguments ({', '.join(names)}), found {len(inputs)} inputs")
        return dict(zip(names, inputs, strict=False))
    unknown = [name for name in inputs if name not in names]
    if unknown:
        raise InputError(f"forward has no argument {', '.join(unknown)}; it has: {', '.join(names) or 'none'}")
    given = {name: inputs[name] for name in names if name in inputs}
    if list(given) != names[: len(given)]:
        missing = next(name for name in names if name not in given)
        raise InputError(f"an input for argument {missing} of forward is missing; given: {', '.join(given) or 'none'}")
    return given
