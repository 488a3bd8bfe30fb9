"""Words of errors and warnings."""

import sys
import warnings
from pathlib import Path

from torch_nacelle.errors import Error, TracingWarning

_PACKAGE = str(Path(__file__).parents[1])


def first_lines(error: BaseException, count: int = 4) -> str:
    """The first lines of an error's message that are not empty, in one line; of an error of ours its reason alone."""
    message = error.reason if isinstance(error, Error) else str(error)
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return " ".join(lines[:count]) or type(error).__name__


def warn_of_tracing(message: str) -> None:
    """Warns the caller of this package, at the caller's line."""
    level = 1
    while sys._getframe(level).f_code.co_filename.startswith(_PACKAGE) and sys._getframe(level).f_back is not None:
        level += 1
    warnings.warn(message, TracingWarning, stacklevel=level + 1)
