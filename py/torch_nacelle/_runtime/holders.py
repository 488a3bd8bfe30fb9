"""Programs and engines inside other objects: ``nn.Sequential(program, nn.Softmax())`` holds a program."""

import os
from typing import TYPE_CHECKING, TypeAlias

import torch

from torch_nacelle import _C
from torch_nacelle.errors import InputError

# A program, or a module that holds programs. The module() of an exported program is an nn.Module too.
if TYPE_CHECKING:
    from torch.export.pt2_archive._package import AOTICompiledModel
    from typing_extensions import TypeIs

    AnyProgram: TypeAlias = torch.nn.Module | torch.export.ExportedProgram | AOTICompiledModel
else:
    AnyProgram = torch.nn.Module  # a package's class takes long to import

_ENGINE_CLASS = "__torch__.torch.classes.tensorrt.Engine"


def joined(program: AnyProgram) -> torch._C.ScriptModule:
    """The C++ module of a program.

    For what is no TorchScript it is a new C++ module, which holds each TorchScript program and each engine under its
    path. They are shared, so what is done to its engines is done to the program's.

    Raises:
        InputError: It is an AOTInductor package, and this torch does not give its engines.
    """
    if isinstance(program, torch.jit.ScriptModule):
        module: torch._C.ScriptModule = program._c
        return module
    if isinstance(program, torch.export.ExportedProgram):
        return _C.join([(name, value) for name, value in program.constants.items() if is_engine(value)])
    if is_package(program):
        return _C.join(engines_of_package(program))
    parts: list[tuple[str, torch._C.ScriptModule | torch.ScriptObject]] = []
    programs: list[str] = []
    for path, part in program.named_modules():
        if any(path.startswith(f"{outer}.") for outer in programs):
            continue
        if isinstance(part, torch.jit.ScriptModule):
            programs.append(path)
            parts.append((path, part._c))
            continue
        prefix = f"{path}." if path else ""
        for name, value in part.__dict__.items():
            if is_engine(value):
                parts.append((prefix + name, value))
            elif is_package(value):
                parts += [(f"{prefix}{name}.{inner}", engine) for inner, engine in engines_of_package(value)]
    return _C.join(parts)


def is_engine(value: object) -> bool:
    """True for a ``torch.classes.tensorrt.Engine``."""
    return isinstance(value, torch.ScriptObject) and value._type().qualified_name() == _ENGINE_CLASS


def is_package(value: object) -> "TypeIs[AOTICompiledModel]":
    """True for an AOTInductor package, as ``torch._inductor.aoti_load_package`` returns it."""
    return isinstance(getattr(value, "loader", None), torch._C._aoti.AOTIModelPackageLoader)


def engines_of_package(package: "AOTICompiledModel") -> list[tuple[str, torch.ScriptObject]]:
    """The engines of a package with torch's names of them, in the order of the numbers in which these end."""
    objects = getattr(package.loader, "get_custom_objs", None)
    if objects is None:
        raise InputError(
            f"found an AOTInductor package, and torch {torch.__version__} does not give its engines; wanted torch 2.13"
        )
    named = sorted(objects().items(), key=lambda item: (len(item[0]), item[0]))
    return [(name, value) for name, value in named if is_engine(value)]


def require_program(program: object) -> torch._C.ScriptModule:
    """The same, for a value that must be a program or hold one.

    Raises:
        InputError: It is something else, or holds none.
    """
    wanted = (
        "wanted a program, as nacelle.compile or torch.jit.load returns it, an exported program or AOTInductor package "
        "with engines, or an nn.Module that holds one"
    )
    if not isinstance(program, (torch.nn.Module, torch.export.ExportedProgram)) and not is_package(program):
        hint = ""
        if isinstance(program, (str, os.PathLike)):
            hint = ": load the file with torch.jit.load"
        elif isinstance(getattr(program, "module", None), torch.jit.ScriptModule):
            hint = ": give its .module"
        raise InputError(f"found {type(program).__name__}; {wanted}{hint}")
    module = joined(program)
    reason = "holds no engine"
    if isinstance(program, torch.nn.Module):
        if any(isinstance(part, torch.jit.ScriptModule) for part in program.modules()):
            return module
        reason = "holds no program"
    if not _C.find_engines(module):
        raise InputError(f"{type(program).__name__} {reason}; {wanted}")
    return module
