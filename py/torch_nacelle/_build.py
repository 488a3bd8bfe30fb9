"""From a module to a plan."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch

from torch_nacelle import _C
from torch_nacelle._input import Input, dtype_name
from torch_nacelle.errors import InputError

Backend: TypeAlias = Literal["reference"]
Method: TypeAlias = Literal["auto", "script", "trace"]

BACKENDS: tuple[str, ...] = ("reference",)


def build_engine(
    module: torch.nn.Module,
    inputs: Sequence[Input | torch.Tensor],
    *,
    backend: Backend = "reference",
    name: str = "engine",
    output_names: Sequence[str] | None = None,
    data_dependent: Sequence[str] = (),
    method: Method = "auto",
) -> bytes:
    """Builds an engine that computes what `module` computes, and returns its plan.

    The plan holds a copy of the module in eval mode, weights included; `module` is left as it is.

    Args:
        module: An ``nn.Module`` or ``ScriptModule`` on the CPU whose forward takes the inputs as tensors, by position,
            and returns a tensor, or a tuple or list of tensors.
        inputs: What forward takes: tensors (their dtype and exact shape) or ``Input``.
        backend: ``"reference"``: the reference engine, which runs on the CPU.
        name: The engine's name.
        output_names: The outputs' names; left out, ``output_0``, ``output_1`` …
        data_dependent: Names of outputs whose shape follows from the inputs' values. Those that show themselves when
            the module is tried need not be named.
        method: How an ``nn.Module`` becomes TorchScript. ``"script"`` keeps control flow; ``"trace"`` follows one run
            with made-up inputs; ``"auto"`` tries script, then trace.

    Returns:
        The plan. The same module, weights and arguments give the same bytes.

    Raises:
        InputError: The module cannot be turned into TorchScript, fails on the inputs, or an argument is wrong.
    """
    if backend not in BACKENDS:
        raise InputError(f"there is no backend {backend!r}; there are: {', '.join(BACKENDS)}")
    described = [Input.of(value) for value in inputs]
    if not described:
        raise InputError("inputs is empty: an engine takes at least one tensor")
    script = to_torchscript(module, described, method)
    tuples = [
        (
            one.name or f"input_{index}",
            dtype_name(one.dtype),
            list(one.shape),
            [(list(p.min), list(p.opt), list(p.max)) for p in one.profiles] if one.dynamic else [],
        )
        for index, one in enumerate(described)
    ]
    return _C.build_reference(script._c, name, tuples, list(output_names or ()), set(data_dependent))


def to_torchscript(module: torch.nn.Module, inputs: Sequence[Input], method: Method) -> torch.jit.ScriptModule:
    """`module` as TorchScript; a ScriptModule as it is."""
    if isinstance(module, torch.jit.ScriptModule):
        return module
    if not isinstance(module, torch.nn.Module):
        raise InputError(f"module must be an nn.Module or a ScriptModule, found {type(module).__name__}")
    if method not in ("auto", "script", "trace"):
        raise InputError(f"there is no method {method!r}; there are: auto, script, trace")
    reasons = []
    if method != "trace":
        try:
            return torch.jit.script(module)
        except Exception as error:  # whatever the compiler raises is a reason
            reasons.append(f"scripting it failed: {_first_lines(error)}")
    if method != "script":
        try:
            return _trace(module, inputs)
        except Exception as error:
            reasons.append(f"tracing it failed: {_first_lines(error)}")
    raise InputError(f"{type(module).__name__} cannot be turned into TorchScript; " + "; ".join(reasons))


def _trace(module: torch.nn.Module, inputs: Sequence[Input]) -> torch.jit.ScriptModule:
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            traced: torch.jit.ScriptModule = torch.jit.trace(
                module, tuple(one.example() for one in inputs), check_trace=False
            )
            return traced
    finally:
        module.train(was_training)


def _first_lines(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:4]) or type(error).__name__
