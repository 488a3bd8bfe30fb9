"""Models that others saved: ONNX, exported programs, TorchScript."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nacelle_cli.exported import loading
from nacelle_cli.failures import CommandError
from nacelle_cli.reading import archives, kinds, regular

if TYPE_CHECKING:
    import torch


def load_model(path: Path) -> torch.jit.ScriptModule | torch.export.ExportedProgram | Path:
    """The model in a file: an ONNX model stays a path; others are loaded, to the CPU.

    Nothing of an exported program is unpickled or imported, and torch reads only what was checked:
    sizes that are arithmetic, registered operators on tensors, and the bytes of tensors.

    Args:
        path: ``.onnx``; ``.pt2`` as ``torch.export.save`` writes it; or what ``torch.jit.save`` writes.

    Raises:
        CommandError: There is no such model, or torch cannot read it.
        ReadingError: An exported program holds what is not read here.
    """
    if path.is_dir():
        raise CommandError(f"{path} is a folder; wanted the file of a model")
    if not regular.exists(path):
        raise CommandError(f"there is no file {path}")
    if path.suffix == ".onnx":
        return path
    return loading.load(path) if path.suffix == ".pt2" else _script(path)


def load_original(path: Path) -> Any:
    """The same, of any kind: also an exported program with engines, and an AOTInductor package, whose code may run.

    Raises:
        CommandError: There is no such model, or torch cannot read it.
        ReadingError: An exported program holds what is not read here.
    """
    is_archive = regular.exists(path) and archives.first_bytes(path).startswith(archives.MAGIC)
    if not is_archive or kinds.program_format(path) == "torchscript":
        return load_model(path)
    import torch_nacelle as nacelle

    return nacelle.load(path)


def _script(path: Path) -> torch.jit.ScriptModule:
    if not archives.first_bytes(path).startswith(archives.MAGIC):
        raise CommandError(
            f"{path} is no model that can be read here: give ONNX (.onnx), an exported program that torch.export.save "
            "wrote (.pt2), or TorchScript that torch.jit.save wrote"
        )
    import torch_nacelle as nacelle  # the program may have engines

    program: torch.jit.ScriptModule = nacelle.load(path, "cpu")
    return program
