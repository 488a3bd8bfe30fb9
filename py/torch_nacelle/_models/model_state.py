"""Puts a model into the state for a build or a run, and restores its former state afterwards."""

import contextlib
import copy
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import torch

from torch_nacelle.errors import InputError

_CONTAINERS = (list, dict, set, OrderedDict)


@contextlib.contextmanager
def for_inference(module: torch.nn.Module) -> Iterator[None]:
    """The module and everything in it in eval mode; afterwards each part is as it was.

    That is the mode of each part, its attributes (of lists, dicts and sets their elements too) and the values of its
    buffers, if a run changed them. The values of parameters are not kept: a forward that writes to one in eval mode is
    no engine, and a copy of all weights is large.
    """
    kept = [_Part(part) for part in module.modules()]
    try:
        for part in kept:
            part.to_eval()
        yield
    finally:
        for part in kept:
            part.restore()


class _Part:
    """One module of a model, without those inside it."""

    def __init__(self, module: torch.nn.Module) -> None:
        self._module = module
        self._kind = type(module)
        self._training: bool | None = getattr(module, "training", None)  # what torch froze has no mode
        self._buffers = [_Buffer(buffer) for buffer in module.buffers(recurse=False) if _has_values(buffer)]
        self._attributes: dict[str, Any] = {}
        self._elements: dict[str, Any] = {}
        if not isinstance(module, torch.jit.ScriptModule):
            self._attributes = dict(module.__dict__)
            self._elements = {
                name: copy.copy(value) for name, value in self._attributes.items() if type(value) in _CONTAINERS
            }

    def to_eval(self) -> None:
        if self._training is not None:
            self._module.training = False

    def restore(self) -> None:
        for buffer in self._buffers:
            buffer.restore()
        if self._training is not None and self._module.training != self._training:
            self._module.training = self._training
        # A lazy module is of another class after its first run, and its attributes are that one's.
        if not self._attributes or type(self._module) is not self._kind:
            return
        current = self._module.__dict__
        for name in [name for name in current if name not in self._attributes]:
            del current[name]
        for name, value in self._attributes.items():
            if current.get(name, self) is not value:
                current[name] = value
            if name in self._elements:
                _restore_elements(value, self._elements[name])


def _restore_elements(container: Any, elements: Any) -> None:
    if len(container) == len(elements) and all(
        one is other for one, other in zip(_flat(container), _flat(elements), strict=True)
    ):
        return
    if isinstance(container, list):
        container[:] = elements
    else:
        container.clear()
        container.update(elements)


def _flat(container: Any) -> list[Any]:
    if isinstance(container, dict):
        return [part for item in container.items() for part in item]
    return list(container)


def _has_values(tensor: torch.Tensor) -> bool:
    return not tensor.is_meta and not torch.nn.parameter.is_lazy(tensor)


class _Buffer:
    """A buffer and a copy of its values.

    The values tell writes that torch does not count: through ``.data``, and of a batch normalization's statistics.
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor = tensor
        self._version = version_of(tensor)
        self._values = tensor.detach().clone()

    def restore(self) -> None:
        counted = self._version is None or self._version != version_of(self._tensor)
        if not counted and _equal(self._tensor, self._values):
            return
        with torch.inference_mode() if self._tensor.is_inference() else torch.no_grad():
            if self._tensor.shape != self._values.shape:
                self._tensor.resize_(self._values.shape)
            self._tensor.copy_(self._values)


def _equal(tensor: torch.Tensor, other: torch.Tensor) -> bool:
    """False if the values differ; NaNs are equal. True if torch cannot compare tensors of this kind."""
    try:
        if tensor.shape != other.shape or torch.equal(tensor, other):
            return tensor.shape == other.shape
        return tensor.is_floating_point() and torch.allclose(tensor, other, rtol=0, atol=0, equal_nan=True)
    except (RuntimeError, NotImplementedError):
        return True


def version_of(tensor: torch.Tensor) -> int | None:
    """The number of writes to a tensor so far; None for those of inference mode, which torch does not count."""
    return None if tensor.is_inference() else int(tensor._version)


def device_of_module(module: torch.nn.Module) -> torch.device:
    """The device of the module's tensors; the CPU if it has none."""
    devices = {tensor.device for tensor in [*module.parameters(), *module.buffers()]}
    if len(devices) > 1:
        found = ", ".join(sorted(map(str, devices)))
        raise InputError(f"{type(module).__name__} has tensors on several devices ({found}); an engine runs on one")
    return devices.pop() if devices else torch.device("cpu")
