"""Programs inside other modules: an ``nn.Module`` may hold some, as ``nn.Sequential(program, nn.Softmax())`` does."""

import os

import torch

from torch_nacelle import _C
from torch_nacelle.errors import InputError


def joined(module: torch.nn.Module) -> torch._C.ScriptModule:
    """The C++ module of a program.

    For another module it is a new C++ module, which holds each program in the module under the program's path.
    """
    if isinstance(module, torch.jit.ScriptModule):
        program: torch._C.ScriptModule = module._c
        return program
    parts: list[tuple[str, torch._C.ScriptModule]] = []
    for path, part in module.named_modules():
        inside = any(path.startswith(f"{outer}.") for outer, _ in parts)
        if isinstance(part, torch.jit.ScriptModule) and not inside:
            parts.append((path, part._c))
    return _C.join(parts)


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
    if not any(isinstance(part, torch.jit.ScriptModule) for part in program.modules()):
        raise InputError(f"{type(program).__name__} holds no program; {wanted}")
    return joined(program)
