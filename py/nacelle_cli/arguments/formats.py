"""Formats of programs that commands write."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nacelle_cli.failures import wrong_usage
from nacelle_cli.reading.kinds import PROGRAM_SUFFIXES

FORMATS = ("torchscript", "exported", "aotinductor")

Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="torchscript, exported or aotinductor. Default: by the suffix of OUT; .pt2 and .ep: exported.",
    ),
]


def check_format(name: str | None) -> None:
    """Ends the command as wrong usage if there is no such format."""
    if name is not None and name not in FORMATS:
        wrong_usage(f"there is no format {name!r}; there are {', '.join(FORMATS)}")


def format_for(destination: Path, given: str | None, otherwise: str = "torchscript") -> str:
    """The format to write: `given`, or by the suffix of `destination`, or `otherwise` if the suffix stands for none."""
    return given or PROGRAM_SUFFIXES.get(destination.suffix, otherwise)
