"""Models that others saved: ONNX, exported programs, TorchScript."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from nacelle_cli.exported.archive import ExportedArchive
from nacelle_cli.failures import CommandError
from nacelle_cli.reading import archives, regular

if TYPE_CHECKING:
    import torch

# torch's reader keeps what it reads at the moment in a global of its module.
_LOADING = threading.Lock()


def load_model(path: Path) -> torch.jit.ScriptModule | torch.export.ExportedProgram | Path:
    """The model in a file: an ONNX model stays a path; others are loaded, to the CPU.

    Nothing of an exported program is unpickled or imported, and torch reads only what ``ExportedArchive`` checked:
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
    return _exported(path) if path.suffix == ".pt2" else _script(path)


def _exported(path: Path) -> torch.export.ExportedProgram:
    from torch.export.pt2_archive._package import load_pt2

    with ExportedArchive(path) as archive:
        checked = archive.for_torch()
        try:
            with _LOADING:
                program: torch.export.ExportedProgram = load_pt2(checked).exported_programs["model"]
            program.module(check_guards=False)  # a graph that is none is told here, with the file's name
            return program
        except Exception as error:  # its reader raises all kinds
            raise CommandError(f"{path} cannot be read as an exported program: {_first_line(error)}") from error


def _script(path: Path) -> torch.jit.ScriptModule:
    if not archives.first_bytes(path).startswith(archives.MAGIC):
        raise CommandError(
            f"{path} is no model that can be read here: give ONNX (.onnx), an exported program that torch.export.save "
            "wrote (.pt2), or TorchScript that torch.jit.save wrote"
        )
    import torch_nacelle as nacelle  # the program may have engines

    return nacelle.load(path, "cpu")


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
