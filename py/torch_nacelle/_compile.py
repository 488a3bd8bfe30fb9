"""From a module to a program with engines in it."""

import copy
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch

from torch_nacelle import _C
from torch_nacelle._build import Backend, Method, build_engine
from torch_nacelle._embed import embed
from torch_nacelle._input import Input
from torch_nacelle.errors import InputError

Inputs: TypeAlias = Sequence[Input | torch.Tensor]


def compile(
    module: torch.nn.Module,
    inputs: Inputs | Mapping[str, Inputs],
    *,
    backend: Backend = "reference",
    name: str | None = None,
    abi_version: int = _C.DEFAULT_ABI_VERSION,
    method: Method = "auto",
) -> torch.jit.ScriptModule:
    """A TorchScript program that computes what `module` computes, with engines inside.

    With a list of inputs all of `module` becomes one engine. With a dict, the submodules that it names become engines
    and the rest is scripted around them: ``nacelle.compile(detector, {"backbone": [...], "head.box": [...]})``.

    Args:
        module: The module, on the CPU for the reference engine; left as it is. In a hybrid program everything is in
            eval mode.
        inputs: What its forward takes (see ``build_engine``), or for each submodule, by its path, what that takes.
        backend: Who builds and runs the engines; see ``build_engine``.
        name: The engine's name; left out, the module's class. In a hybrid program engines are named after their paths.
        abi_version: The version of the records; see ``embed``.
        method: How what becomes an engine is turned into TorchScript; see ``build_engine``.

    Returns:
        The program: ``.save(path)`` it, call it, or read it with ``nacelle.read``.

    Raises:
        InputError: A path that leads to no submodule, or a module that cannot be turned into TorchScript.
        Error: What ``build_engine`` and ``embed`` raise.
    """
    if not isinstance(inputs, Mapping):
        name = name or type(module).__name__
        plan = build_engine(module, inputs, backend=backend, name=name, method=method)
        return embed(plan, name=name, abi_version=abi_version)
    if name is not None:
        raise InputError("name is for a program of one engine; in a hybrid program engines are named after their paths")
    _check_paths(module, list(inputs))
    engines: dict[str, torch.nn.Module] = {}
    for path, of_path in inputs.items():
        engine_name = path.replace(".", "_")
        plan = build_engine(module.get_submodule(path), of_path, backend=backend, name=engine_name, method=method)
        engines[path] = embed(plan, name=engine_name, abi_version=abi_version)
    try:
        return torch.jit.script(_with_replaced(module, engines))
    except Exception as error:
        raise InputError(
            f"{type(module).__name__} cannot be scripted around its engines {', '.join(engines)}: {error}"
        ) from error


def _check_paths(module: torch.nn.Module, paths: Sequence[str]) -> None:
    if isinstance(module, torch.jit.ScriptModule):
        raise InputError("submodules of a ScriptModule have fixed types and cannot be replaced: give the nn.Module")
    known = [path for path, _ in module.named_modules() if path]
    for path in paths:
        if path not in known:
            raise InputError(f"{type(module).__name__} has no submodule {path!r}; it has: {', '.join(known) or 'none'}")
        outer = [other for other in paths if path.startswith(other + ".")]
        if outer:
            raise InputError(f"{path!r} is inside {outer[0]!r}: only one of them can become an engine")


def _with_replaced(module: torch.nn.Module, engines: Mapping[str, torch.nn.Module]) -> torch.nn.Module:
    """The tree of modules anew, in eval mode, sharing all tensors, with `engines` in their places."""
    by_original = {id(module.get_submodule(path)): engine for path, engine in engines.items()}
    copies: dict[int, torch.nn.Module] = {}

    def rebuild(original: torch.nn.Module) -> torch.nn.Module:
        replaced = by_original.get(id(original)) or copies.get(id(original))
        if replaced is not None:
            return replaced
        result = copies[id(original)] = copy.copy(original)
        result.__dict__["_modules"] = {
            name: None if child is None else rebuild(child) for name, child in original._modules.items()
        }
        result.training = False
        return result

    return rebuild(module)
