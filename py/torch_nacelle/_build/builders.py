"""The choice of the builder that makes an engine."""

import logging
import os
from typing import Literal, TypeAlias

import torch

from torch_nacelle import _C
from torch_nacelle.errors import InputError, LibraryError

Backend: TypeAlias = Literal["auto", "tensorrt", "tensorrt_rtx", "reference"]

BACKENDS: tuple[str, ...] = ("auto", "tensorrt", "tensorrt_rtx", "reference")

# Backends by the kind of a library.
_BACKEND_OF_KIND = {"full": "tensorrt", "TensorRT-RTX": "tensorrt_rtx"}

# Compute capabilities that TensorRT-RTX 1.7 builds for nobody to run.
_UNKNOWN_TO_RTX = {(9, 0)}

_WHERE_FROM = {
    "tensorrt": "install the Python package tensorrt, or name a folder with libnvinfer and libnvonnxparser in library= "
    "or NACELLE_TENSORRT_PATH",
    "tensorrt_rtx": "install the Python package tensorrt-rtx, or name a folder with libtensorrt_rtx and its ONNX "
    "parser in library= or NACELLE_TENSORRT_PATH",
}

_logger = logging.getLogger("torch_nacelle")


class Choice:
    """The builder that was chosen and why.

    Attributes:
        backend: ``"tensorrt"``, ``"tensorrt_rtx"`` or ``"reference"``.
        builder: The library; None for the reference engine.
        why: The reason for the choice, for a person.
    """

    def __init__(self, backend: str, builder: "_C.BuilderInfo | None", why: str) -> None:
        self.backend = backend
        self.builder = builder
        self.why = why

    @property
    def description(self) -> str:
        """The name of the builder, with its release."""
        return self.builder.description if self.builder else "the reference engine"


def choose_builder(backend: str, library: "str | os.PathLike[str] | None" = None) -> Choice:
    """The builder for `backend`.

    Args:
        backend: One of ``BACKENDS``.
        library: The file or folder to take it from; None: all that are found.

    Raises:
        InputError: There is no such backend.
        LibraryError: Nothing that is found can build for it; the message lists each with the reason.
    """
    if backend not in BACKENDS:
        raise InputError(f"there is no backend {backend!r}; there are: {', '.join(BACKENDS)}")
    if backend == "reference":
        return Choice(backend, None, "backend='reference' was given")
    if backend == "auto":
        return _automatic(library)
    found = _C.builders("" if library is None else os.fspath(library))
    for builder in found:
        if _BACKEND_OF_KIND.get(builder.kind) == backend and not _problem(builder):
            return Choice(backend, builder, f"backend={backend!r} was given")
    listed = "; ".join(f"{one.path or one.kind}: {_problem(one) or 'is ' + one.description}" for one in found)
    where = "here" if library is None else f"in {os.fspath(library)}"
    raise LibraryError(
        f"no builder for backend {backend!r} was found {where} ({listed or 'nothing was found'}): "
        + _WHERE_FROM[backend]
    )


def _automatic(library: "str | os.PathLike[str] | None") -> Choice:
    if library is None and not torch.cuda.is_available():
        return Choice("reference", None, "no CUDA device is here")
    found = _C.builders("" if library is None else os.fspath(library))
    usable = [one for one in found if one.kind in _BACKEND_OF_KIND and not _problem(one) and _knows_gpu(one)]
    if library is not None and not usable:
        reasons = "; ".join(f"{one.path}: {_problem(one)}" for one in found) or "nothing was found"
        raise LibraryError(f"no builder was found in {os.fspath(library)} ({reasons}): {_WHERE_FROM['tensorrt']}")
    for builder in sorted(usable, key=lambda one: one.kind != "full"):
        return Choice(_BACKEND_OF_KIND[builder.kind], builder, "a CUDA device and this builder are here")
    reasons = "; ".join(f"{one.path}: {_problem(one)}" for one in found)
    return Choice("reference", None, f"no builder was found ({reasons})" if reasons else "no builder was found")


def _knows_gpu(builder: "_C.BuilderInfo") -> bool:
    """True if its engines run on the current GPU, as far as that is known."""
    if builder.kind != "TensorRT-RTX" or not torch.cuda.is_available():
        return True
    return torch.cuda.get_device_capability() not in _UNKNOWN_TO_RTX


def _problem(builder: "_C.BuilderInfo") -> str:
    if builder.problem:
        return builder.problem
    return "" if builder.parser else "its ONNX parser's library was not found beside it"


def tell(choice: Choice) -> str:
    """One line about the choice, for a person; it is logged, too."""
    where = f" ({choice.builder.path})" if choice.builder else ""
    line = f"engines are built by {choice.description}{where}: {choice.why}"
    _logger.info("%s", line)
    return line
