"""Sets torch's settings of the process or thread while Nacelle works with TorchScript, and restores them."""

import contextlib
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import torch

_lock = threading.Lock()  # guards what follows
_hiding = 0
_lists: list[Any] = []
_dtypes: list[torch.dtype] = []


@contextlib.contextmanager
def without_deprecations() -> Iterator[None]:
    """Hides that torch deprecates TorchScript: Nacelle's programs are TorchScript, knowingly.

    One filter stands in Python's list of warning filters as long as any thread is inside. It matches the warnings of
    torch's own modules alone, also if warnings are errors. The list is not saved and put back: threads do that at
    different times.
    """
    global _hiding
    with _lock:
        _hiding += 1
        # Adding it again puts it first again, if somebody else changed the filters since.
        warnings.filterwarnings("ignore", r"`torch\.jit\.", DeprecationWarning, r"torch\.jit\.")
        item: Any = warnings.filters[0]
        if not any(known is warnings.filters for known in _lists):
            _lists.append(warnings.filters)
    try:
        yield
    finally:
        with _lock:
            _hiding -= 1
            if _hiding == 0:
                for filters in (*_lists, warnings.filters):
                    with contextlib.suppress(ValueError):
                        filters.remove(item)
                _lists.clear()


@contextlib.contextmanager
def torch_defaults() -> Iterator[None]:
    """Torch's own defaults, float32 and the CPU, for tensors that are made without a dtype or a device.

    An engine follows from the model and the arguments, not from what the process has set with
    ``torch.set_default_dtype`` and ``torch.set_default_device``. The default dtype is the process's: if it is another,
    other threads see float32 meanwhile.
    """
    with _lock:
        _dtypes.append(torch.get_default_dtype())
        if _dtypes[-1] != torch.float32:
            torch.set_default_dtype(torch.float32)
    try:
        with _default_device():
            yield
    finally:
        with _lock:
            # The first to come knows what was set before; the last to go puts it back.
            if len(_dtypes) > 1:
                _dtypes.pop()
            elif (before := _dtypes.pop()) != torch.float32:
                torch.set_default_dtype(before)


@contextlib.contextmanager
def _default_device() -> Iterator[None]:
    """The CPU as this thread's default device."""
    before = torch.get_default_device()
    if before.type == "cpu":
        yield
        return
    # A default that was set is taken away, since a trace names its values otherwise under another device. If it stays,
    # it is that of a context which the caller has entered; then a context entered inside that one overrules it.
    torch.set_default_device(None)
    inside = torch.get_default_device().type != "cpu"
    try:
        with torch.device("cpu") if inside else contextlib.nullcontext():
            yield
    finally:
        if not inside:
            torch.set_default_device(before)
