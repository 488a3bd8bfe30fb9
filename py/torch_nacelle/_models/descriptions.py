"""The inputs of a model as a caller describes them: in a list, by name, and nested."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from torch_nacelle._programs.signatures import forward_schema
from torch_nacelle._programs.structures import CONSTANTS, Call, Path, Slot, Structure, flat, key_of, name_of, unique
from torch_nacelle._runtime.input import Input, as_list, with_names
from torch_nacelle.errors import InputError


@dataclass(frozen=True)
class Parameters:
    """The parameters of a forward.

    Attributes:
        positional: Names of those that can be given by position, in order.
        keywords: Names of all that can be given by name.
        defaults: Their defaults that are constants.
        takes_any: True if there is a ``**kwargs``.
    """

    positional: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    takes_any: bool = False

    def take(self, name: object) -> bool:
        """True if an argument can have this name."""
        return isinstance(name, str) and (self.takes_any or name in self.keywords)


def parameters_of(module: torch.nn.Module) -> Parameters:
    """The parameters of a module's forward; none if it does not tell them."""
    if isinstance(module, torch.jit.ScriptModule):
        if not module._c._has_method("forward"):
            return Parameters()
        arguments = forward_schema(module).arguments[1:]
        names = tuple(one.name for one in arguments)
        known = {one.name: one.default_value for one in arguments if one.has_default_value()}
        return Parameters(names, names, known)
    try:
        taken = inspect.signature(module.forward).parameters.values()
    except (ValueError, TypeError):
        return Parameters()
    kinds = inspect.Parameter
    return Parameters(
        tuple(one.name for one in taken if one.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)),
        tuple(one.name for one in taken if one.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)),
        {one.name: one.default for one in taken if isinstance(one.default, CONSTANTS)},
        any(one.kind is kinds.VAR_KEYWORD for one in taken),
    )


def describe(inputs: object, parameters: Parameters) -> tuple[list[Input], Call]:
    """The tensors that a caller describes, each with a name, and the call of forward that they are for.

    Raises:
        InputError: Something is described that is neither a tensor nor a constant, or forward has no such argument.
    """
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    if isinstance(inputs, Mapping):
        kwargs = _in_order(inputs, parameters)
    else:
        args = tuple(as_list(inputs))
    leaves: list[Any] = []
    found: list[Input] = []
    paths: list[Path] = []
    for path, leaf in flat((args, kwargs)):
        argument = (args, kwargs)[key_of(path[0])][key_of(path[1])]
        if leaf is None or (argument is leaf and isinstance(leaf, CONSTANTS) and argument is not None and kwargs):
            leaves.append(leaf)
            continue
        if isinstance(leaf, (Input, torch.Tensor)):
            leaves.append(Slot(len(found)))
            found.append(Input.of(leaf))
            paths.append(path[1:])
            continue
        Input.of(leaf if _describes_tensors(argument) else argument)  # raises the error
    derived = unique([name_of(path, "input") for path in paths])
    named = with_names([one.named(one.name or name) for one, name in zip(found, derived, strict=True)])
    spec = Structure.of((args, kwargs)).spec
    return named, Call(Structure(spec, tuple(leaves)), parameters.positional, parameters.defaults)


def _describes_tensors(argument: object) -> bool:
    return any(isinstance(leaf, (Input, torch.Tensor)) for _, leaf in flat(argument))


def _in_order(inputs: Mapping[Any, Any], parameters: Parameters) -> dict[str, Any]:
    """The arguments in the order of forward's parameters; others follow."""
    for name in inputs:
        if not parameters.take(name):
            known = ", ".join(parameters.keywords) or "none that can be given by name"
            raise InputError(f"inputs names {name!r}, and forward has no such argument; it has: {known}")
    order = [name for name in parameters.keywords if name in inputs]
    return {name: inputs[name] for name in [*order, *(name for name in inputs if name not in order)]}
