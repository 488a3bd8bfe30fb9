"""Refusals of what an engine would drop: state that a module keeps from call to call, and hooks."""

from typing import Any

import torch

from torch_nacelle import _C
from torch_nacelle.errors import InputError


def refuse_state(module: torch.nn.Module, examples: tuple[torch.Tensor, ...], name: str) -> None:
    """Raises InputError if a call of a module changes its tensors, its inputs, or what the next call computes.

    The module runs twice. An attribute that a run fills once, like a table of sines, does no harm.

    Args:
        module: The module, in the mode and on the device of the examples.
        examples: Its inputs.
        name: Its name, for the message.
    """
    owned = [*module.named_parameters(), *module.named_buffers()]
    versions = [_version(tensor) for _, tensor in owned]
    values = {path: buffer.clone() for path, buffer in module.named_buffers() if not buffer.is_meta}
    read = [_version(example) for example in examples]
    first, second = (_run(module, examples) for _ in range(2))
    for (path, tensor), version in zip(owned, versions, strict=True):
        # The statistics of a batch normalization change without being counted.
        if _version(tensor) != version or (path in values and not _equal([tensor], [values[path]])):
            raise InputError(_C.state_message(f'the attribute "{path}"'))
    for index, (example, version) in enumerate(zip(examples, read, strict=True)):
        if _version(example) != version:
            raise InputError(
                f"forward of {name} changes its input {index} in place; an engine only reads its inputs: let forward "
                f"clone it first, and return the new value if the caller needs it"
            )
    if not _equal(first, second):
        raise InputError(_C.state_message(f"something that {name} keeps: it computes something else the second time"))


def refuse_global_hooks() -> None:
    """Raises InputError if torch runs hooks for every module: an engine runs none."""
    hooks = torch.nn.modules.module
    names = [
        getattr(hook, "__name__", type(hook).__name__)
        for found in (hooks._global_forward_pre_hooks, hooks._global_forward_hooks)
        for hook in found.values()
    ]
    if names:
        raise InputError(
            f"hooks for all modules are registered ({', '.join(names)}), and an engine would not run them: remove "
            f"them while you compile, or give method='trace', which follows them"
        )


def _version(tensor: torch.Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


def _run(module: torch.nn.Module, examples: tuple[torch.Tensor, ...]) -> list[Any]:
    """The outputs, with the same random numbers each time."""
    devices = sorted({example.get_device() for example in examples if example.is_cuda})
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(0)
        result = module(*examples)
    outputs = result if isinstance(result, (list, tuple)) else [result]
    return [output.clone() if isinstance(output, torch.Tensor) else output for output in outputs]


def _equal(first: list[Any], second: list[Any]) -> bool:
    """Returns True if the tensors are equal, but for what the order of additions on a GPU changes."""
    try:
        for one, other in zip(first, second, strict=True):
            if isinstance(one, torch.Tensor):
                torch.testing.assert_close(one, other, equal_nan=True)
    except (AssertionError, ValueError):
        return False
    return True
