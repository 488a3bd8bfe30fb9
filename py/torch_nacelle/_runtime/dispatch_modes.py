"""Modes of torch's dispatcher that do not import torch's compiler."""

import sys
from typing import Any, TypeVar

Mode = TypeVar("Mode", bound=type[Any])


def without_compiler(mode: Mode) -> Mode:
    """Returns a mode's class, changed so that its first operator does not import torch's compiler.

    torch keeps its compiler off the functions of a mode, and imports it for that: a second, of which a process that
    compiles nothing with it has no use. A compiler that is there already is kept off as before.
    """
    kept_off = mode.__torch_dispatch__
    plain = getattr(kept_off, "__wrapped__", kept_off)

    def dispatch(self: Any, func: Any, types: object, args: Any = (), kwargs: Any = None) -> object:
        function = kept_off if "torch._dynamo" in sys.modules else plain
        return function(self, func, types, args, kwargs)

    mode.__torch_dispatch__ = dispatch
    return mode
