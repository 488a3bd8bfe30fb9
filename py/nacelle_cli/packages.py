"""Packages that only some commands need."""

from __future__ import annotations

import importlib
from typing import Any

from nacelle_cli.failures import CommandError


def need(package: str, what: str, otherwise: str = "") -> Any:
    """The package; if it is not installed, an error that names it.

    Args:
        package: Its name, the same for import and for pip.
        what: The use of the package, as the beginning of a sentence: ``"x.npy is read with"``.
        otherwise: Another way to the same end: ``", or …"``.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise CommandError(
            f"{what} the package {package}, which is not installed: pip install {package}{otherwise}"
        ) from error
