"""Models that others saved: ONNX, exported programs, TorchScript."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch_nacelle_cli.failures import CommandError

if TYPE_CHECKING:
    import torch

# torch.load then unpickles tensors and plain containers only, whatever its caller asks for.
_ONLY_WEIGHTS = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


def load_model(path: Path) -> torch.jit.ScriptModule | torch.export.ExportedProgram | Path:
    """What a file holds: an ONNX model stays a path; others are loaded, to the CPU.

    Nothing of an exported program is unpickled but tensors.

    Args:
        path: ``.onnx``; ``.pt2`` as ``torch.export.save`` writes it; or what ``torch.jit.save`` writes.
    """
    if not path.is_file():
        raise CommandError(f"there is no file {path}")
    if path.suffix == ".onnx":
        return path
    return _exported(path) if path.suffix == ".pt2" else _script(path)


def _exported(path: Path) -> torch.export.ExportedProgram:
    import torch

    try:
        with _only_weights():
            return torch.export.load(str(path))
    except Exception as error:  # its reader raises all kinds
        raise CommandError(f"{path} cannot be read as what torch.export.save writes: {_first_line(error)}") from error


def _script(path: Path) -> torch.jit.ScriptModule:
    import torch

    if not zipfile.is_zipfile(path):
        raise CommandError(
            f"{path} is no model that can be read here: give ONNX (.onnx), what torch.export.save wrote (.pt2), or "
            "what torch.jit.save wrote"
        )
    try:
        script: torch.jit.ScriptModule = torch.jit.load(str(path), map_location="cpu")
        return script
    except RuntimeError as error:
        raise CommandError(f"{path} cannot be read as what torch.jit.save writes: {_first_line(error)}") from error


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
