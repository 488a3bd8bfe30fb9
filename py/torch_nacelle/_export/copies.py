"""Copies and pickles of engines, as Python makes them.

torch makes both from the strings that a program is saved with. The plan in a record of version 3 is no text, so that
fails for these, and a copy of another record would be set up again. Torch's own saving (``torch.jit.save``, and the
objects in ``torch.export.save``'s archive) happens in C++ and is not affected.
"""

import copy
import copyreg
import pickle
import sys
from collections.abc import Callable
from typing import Any

import torch

from torch_nacelle import _C
from torch_nacelle._runtime.holders import is_engine


def engine_from_record(fields: list[bytes]) -> torch.ScriptObject:
    """Makes an engine from a record. Pickles name this function by its place, which therefore stays."""
    return _C.engine_from_record(fields)


def _copied(value: torch.ScriptObject, memo: dict[int, Any]) -> object:
    if is_engine(value):
        return _C.copy_engine(value)
    return value.__deepcopy__(memo)  # type: ignore[attr-defined]


def _reduced(value: torch.ScriptObject) -> str | tuple[Any, ...]:
    if is_engine(value):
        if _in_cache_key():
            return tuple, (value.__obj_flatten__(),)  # type: ignore[attr-defined]
        return engine_from_record, (_C.engine_record(value),)
    return value.__reduce_ex__(pickle.DEFAULT_PROTOCOL)


def _in_cache_key() -> bool:
    """True if the pickle that is under way is the key of torch.compile's caches, which torch hashes and never reads.

    torch pickles all that a graph takes for it, at each compilation: the identity of an engine says the same as its
    record, whose plan may be gigabytes. The pickler is a C type, so its caller's frame is that of the key's method.
    """
    codecache = sys.modules.get("torch._inductor.codecache")
    if codecache is None:
        return False
    pickler = sys._getframe(2).f_locals.get("self")
    return isinstance(pickler, codecache.FxGraphCachePickler)


def register() -> None:
    """Makes ``copy.deepcopy`` and ``pickle`` use these functions. torch's other classes are treated as before."""
    copiers: dict[type, Callable[[Any, dict[int, Any]], object]] = copy._deepcopy_dispatch  # type: ignore[attr-defined]
    copiers[torch.ScriptObject] = _copied
    copyreg.pickle(torch.ScriptObject, _reduced)
