"""Modules exported with torch.export, to be traced: it keeps sizes that torch's tracer turns into numbers."""

from collections.abc import Sequence
from typing import Any

import torch

from torch_nacelle._build.torchscript import TRACER, Traced, difference, traced
from torch_nacelle._models.exported_program import check_inputs, positional_module
from torch_nacelle._models.model_state import for_inference
from torch_nacelle._models.state import StateError
from torch_nacelle._runtime.input import Input
from torch_nacelle.errors import InputError

_CPU = torch.device("cpu")


def exported_trace(
    exported: torch.nn.Module, module: torch.nn.Module, inputs: Sequence[Input], device: torch.device = _CPU
) -> tuple[Traced, str]:
    """A trace of the program of a module, and its ``difference`` to the module.

    Raises:
        InputError: The program keeps state, or the module fails on made-up inputs.
        Exception: Whatever the tracer raises.
    """
    trace = traced(exported, inputs, device)
    return trace, difference(trace.script, module, inputs, trace.losses)


def exported_module(module: torch.nn.Module, inputs: Sequence[Input], device: torch.device = _CPU) -> torch.nn.Module:
    """The program of a module in eval mode, as another module.

    Sizes that follow from a shape by ``int`` and ``math`` are computed in it. Decisions about shapes become guards.

    Args:
        module: The module; left as it is.
        inputs: Its inputs.
        device: Its device.

    Raises:
        InputError: The program is right for fewer shapes than `inputs` asks for, or keeps state.
        Exception: Whatever torch.export raises.
    """
    try:
        return _exported(module, inputs, device, strict=False)
    except StateError:
        raise
    except InputError as error:  # only torch's compiler takes an int of a size for a size
        try:
            return _exported(module, inputs, device, strict=True)
        except Exception:
            raise error from None


def _exported(
    module: torch.nn.Module, inputs: Sequence[Input], device: torch.device, *, strict: bool
) -> torch.nn.Module:
    examples = tuple(_example(one).to(device) for one in inputs)
    with TRACER, for_inference(module), torch.no_grad():
        program = torch.export.export(InARow(module), examples, dynamic_shapes=auto_shapes(inputs), strict=strict)
    check_inputs(program, inputs, own=True)
    return positional_module(program)


class InARow(torch.nn.Module):
    """A module whose forward takes any number of tensors, whatever the names of its arguments."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module
        self.training = False

    def forward(self, *tensors: torch.Tensor) -> Any:
        """Calls the module."""
        return self.module(*tensors)


def auto_shapes(inputs: Sequence[Input]) -> Any:
    """The shapes of an ``InARow`` for torch.export, which finds out what holds for the sizes that vary."""
    auto = torch.export.Dim.AUTO
    return (tuple({dim: auto for dim, size in enumerate(one.shape) if size == -1} for one in inputs),)


def _example(one: Input) -> torch.Tensor:
    """Made-up values of a shape without the sizes 0 and 1, which torch.export fixes, if the range allows another."""
    if not one.dynamic:
        return one.example()
    sizes = zip(one.shape, one.ranges[0].opt, one.ranges[0].max, strict=True)
    shape = [opt if extent != -1 or opt > 1 else most for extent, opt, most in sizes]
    return torch.ones(shape, dtype=one.dtype, device="cpu")
