"""Models that others saved: ONNX, exported programs, TorchScript."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch_nacelle_cli.failures import CommandError
from torch_nacelle_cli.reading import archives, regular

if TYPE_CHECKING:
    import torch

# What sizes are written with: numbers, symbols (s0, Symbol('s77', integer=True)) and classes of functions (FloorDiv).
_ARITHMETIC = re.compile(
    r"(?:[a-z]+\d+|'\w+'|(?:integer|positive|nonnegative|real)=|[A-Z][A-Za-z]*|[\d.]+|[\s()+\-*/,<>])*"
)

# Objects that torch's reader of exported programs unpickles without a question.
_OPAQUE = "/data/constants/opaque_"

# torch.load then unpickles tensors and plain containers only, whatever its caller asks for.
_ONLY_WEIGHTS = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


def load_model(path: Path) -> torch.jit.ScriptModule | torch.export.ExportedProgram | Path:
    """What a file holds: an ONNX model stays a path; others are loaded, to the CPU.

    Nothing of an exported program is unpickled but tensors, and no size in it may be more than arithmetic, since
    torch's reader evaluates these texts.

    Args:
        path: ``.onnx``; ``.pt2`` as ``torch.export.save`` writes it; or what ``torch.jit.save`` writes.
    """
    if path.is_dir():
        raise CommandError(f"{path} is a folder; wanted the file of a model")
    if not regular.exists(path):
        raise CommandError(f"there is no file {path}")
    if path.suffix == ".onnx":
        return path
    return _exported(path) if path.suffix == ".pt2" else _script(path)


def _exported(path: Path) -> torch.export.ExportedProgram:
    import torch

    try:
        _refuse_code(path)
        with _only_weights():
            return torch.export.load(str(path))
    except CommandError:
        raise
    except Exception as error:  # its reader raises all kinds
        raise CommandError(f"{path} cannot be read as what torch.export.save writes: {_first_line(error)}") from error


def _script(path: Path) -> torch.jit.ScriptModule:
    if not archives.first_bytes(path).startswith(archives.MAGIC):
        raise CommandError(
            f"{path} is no model that can be read here: give ONNX (.onnx), what torch.export.save wrote (.pt2), or "
            "what torch.jit.save wrote"
        )
    from torch_nacelle._running import load_program  # the program may have engines

    return load_program(path, "cpu")


def _refuse_code(path: Path) -> None:
    """Raises CommandError for an exported program that would bring code to run."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if _OPAQUE in f"/{name}":
                raise CommandError(f"{path} brings a pickled object, {name}, which is not unpickled here")
            if name.endswith(".json"):
                for text in _sizes(json.loads(archive.read(name))):
                    if not _ARITHMETIC.fullmatch(text):
                        raise CommandError(f"{path} has a size that is no arithmetic, {text[:80]!r} in {name}")


def _sizes(value: Any) -> Iterator[str]:
    """The texts of sizes in what a JSON file holds."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "expr_str" and isinstance(item, str):
                yield item
            else:
                yield from _sizes(item)
    elif isinstance(value, list):
        for item in value:
            yield from _sizes(item)


@contextmanager
def _only_weights() -> Iterator[None]:
    before: Any = os.environ.get(_ONLY_WEIGHTS)
    os.environ[_ONLY_WEIGHTS] = "1"
    try:
        yield
    finally:
        del os.environ[_ONLY_WEIGHTS]
        if before is not None:
            os.environ[_ONLY_WEIGHTS] = before


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
