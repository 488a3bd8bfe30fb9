"""Programs and engines inside other modules: ``nn.Sequential(program, nn.Softmax())`` holds a program."""

import os
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from typing_extensions import TypeIs

from torch_nacelle import _C
from torch_nacelle.errors import InputError

# A program, or a module that holds programs: an nn.Module of any kind, or an AOTInductor package.
if TYPE_CHECKING:
    from torch.export.pt2_archive._package import AOTICompiledModel

    AnyProgram: TypeAlias = torch.nn.Module | AOTICompiledModel
else:
    AnyProgram = torch.nn.Module  # a package's class takes long to import

_ENGINE_CLASS = "__torch__.torch.classes.tensorrt.Engine"


def joined(module: AnyProgram) -> torch._C.ScriptModule:
    """The C++ module of a program.

    For another module it is a new C++ module, which holds each program in the module under the program's path, and
    each engine under its own.
    """
    if isinstance(module, torch.jit.ScriptModule):
        program: torch._C.ScriptModule = module._c
        return program
    if is_package(module):
        return _C.join([(path, _C.engine_holder(engine)) for path, engine in engines_of_package(module)])
    if (engine := _engine_of(module)) is not None:
        return _C.engine_holder(engine)
    parts: list[tuple[str, torch._C.ScriptModule]] = []
    for path, part in module.named_modules():
        inside = any(path.startswith(f"{outer}.") for outer, _ in parts)
        if isinstance(part, torch.jit.ScriptModule) and not inside:
            parts.append((path, part._c))
        elif (engine := _engine_of(part)) is not None:
            parts.append((path, _C.engine_holder(engine)))
        elif isinstance(part, torch.fx.GraphModule):
            held = [(name, value) for name, value in part.__dict__.items() if is_engine(value)]
            parts += [(f"{path}.{name}" if path else name, _C.engine_holder(engine)) for name, engine in held]
    return _C.join(parts)


def is_package(value: object) -> "TypeIs[AOTICompiledModel]":
    """True for an AOTInductor package, as ``torch._inductor.aoti_load_package`` returns it."""
    return isinstance(getattr(value, "loader", None), torch._C._aoti.AOTIModelPackageLoader)


def engines_of_package(package: Any) -> list[tuple[str, torch.ScriptObject]]:
    """The engines of a package, with torch's names of them, in the order of the numbers that these end with."""
    objects: dict[str, Any] = package.loader.get_custom_objs()
    named = sorted(objects.items(), key=lambda one: (len(one[0]), one[0]))
    return [(name, value) for name, value in named if is_engine(value)]


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
    if is_package(program):
        return joined(program)
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
