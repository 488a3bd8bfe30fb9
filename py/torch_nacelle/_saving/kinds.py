"""The kinds of files that programs are saved in."""

import os
from pathlib import Path
from typing import Literal, TypeAlias, cast

from nacelle_cli.reading.kinds import PROGRAM_SUFFIXES
from torch_nacelle.errors import InputError

Format: TypeAlias = Literal["torchscript", "exported", "aotinductor"]

FORMATS: tuple[Format, ...] = ("torchscript", "exported", "aotinductor")


def format_of(path: str | os.PathLike[str], given: str | None) -> Format:
    """The format that was asked for, or that a suffix stands for.

    Raises:
        InputError: There is no such format, or none was given and the suffix stands for none.
    """
    if given is not None:
        for known in FORMATS:
            if given == known:
                return known
        raise InputError(f"there is no format {given!r}; there are: {', '.join(FORMATS)}")
    suffix = Path(path).suffix
    if suffix not in PROGRAM_SUFFIXES:
        suffixes = ", ".join(f"{name} ({kind})" for name, kind in PROGRAM_SUFFIXES.items())
        raise InputError(
            f"{os.fspath(path)} has the suffix {suffix!r}, which stands for no kind of program; wanted {suffixes}, or "
            f"format= with one of {', '.join(FORMATS)}"
        )
    return cast(Format, PROGRAM_SUFFIXES[suffix])
