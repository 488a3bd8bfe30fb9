"""Programs and engines inside other modules: ``nn.Sequential(program, nn.Softmax())`` holds a program."""

import os

import torch

from torch_nacelle import _C
from torch_nacelle.errors import InputError

_ENGINE_CLASS = "__torch__.torch.classes.tensorrt.Engine"


def joined(module: torch.nn.Module) -> torch._C.ScriptModule:
    """The C++ module of a program.

    For another module it is a new C++ module, which holds each program in the module under the program's path.
    """
    if isinstance(module, torch.jit.ScriptModule):
        program: torch._C.ScriptModule = module._c
        return program
    if (engine := _engine_of(module)) is not None:
        return _C.engine_holder(engine)
    parts: list[tuple[str, torch._C.ScriptModule]] = []
    for path, part in module.named_modules():
        inside = any(path.startswith(f"{outer}.") for outer, _ in parts)
        if isinstance(part, torch.jit.ScriptModule) and not inside:
            parts.append((path, part._c))
        elif (engine := _engine_of(part)) is not None:
            parts.append((path, _C.engine_holder(engine)))
    return _C.join(parts)


def is_engine(value: object) -> bool:
    """True for a ``torch.classes.tensorrt.Engine``."""
    return isinstance(value, torch.ScriptObject) and value._type().qualified_name() == _ENGINE_CLASS


def _engine_of(module: torch.nn.Module) -> torch.ScriptObject | None:
    """The engine of an ``EngineModule``, which is known by its attribute."""
    engine: torch.ScriptObject | None = module.__dict__.get("engine")
    return engine if is_engine(engine) else None


def require_program(program: object) -> torch._C.ScriptModule:
    """The same, for a value that must be a program or hold one.

    Raises:
        InputError: It is something else, or holds none.
    """
    wanted = "wanted a program, as nacelle.compile or torch.jit.load returns it, or an nn.Module that holds one"
    if not isinstance(program, torch.nn.Module):
        hint = ""
        if isinstance(program, (str, os.PathLike)):
            hint = ": load the file with torch.jit.load"
        elif isinstance(getattr(program, "module", None), torch.jit.ScriptModule):
            hint = ": give its .module"
        raise InputError(f"found {type(program).__name__}; {wanted}{hint}")
    parts = program.modules()
    if not any(isinstance(part, torch.jit.ScriptModule) or _engine_of(part) is not None for part in parts):
        raise InputError(f"{type(program).__name__} holds no program; {wanted}")
    return joined(program)
