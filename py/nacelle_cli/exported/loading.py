"""Exported programs, loaded by torch from what was checked."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nacelle_cli.exported.archive import ExportedArchive
from nacelle_cli.reading.errors import ReadingError

if TYPE_CHECKING:
    import torch

# torch's reader keeps what it reads at the moment in a global of its module.
_LOADING = threading.Lock()


def load(
    path: Path, engines: Mapping[str, bytes | None] | None = None, device: tuple[str, int | None] | None = None
) -> torch.export.ExportedProgram:
    """Loads a program. Nothing of the file is unpickled or imported, and torch reads only what was checked.

    Args:
        path: The file.
        engines: See ``ExportedArchive``.
        device: The same.

    Raises:
        ReadingError: The program holds what is not read here, or torch cannot read it.
    """
    from torch.export.pt2_archive._package import load_pt2

    with ExportedArchive(path, engines, device) as archive:
        checked = archive.for_torch()
        try:
            with _LOADING:
                program: torch.export.ExportedProgram = load_pt2(checked).exported_programs["model"]
            program.module(check_guards=False)  # a graph that is none is told here, with the file's name
            return program
        except Exception as error:  # its reader raises all kinds
            reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise ReadingError(f"{path} cannot be read as an exported program: {reason}") from error
