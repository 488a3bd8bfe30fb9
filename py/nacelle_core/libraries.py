"""The TensorRT libraries of this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from nacelle_core import _core


def package_folders() -> list[str]:
    """Returns the folders of Python's path that packages are installed in: the current folder is none of them.

    ``python -m`` and an empty element of ``PYTHONPATH`` put the current folder there. It may be anybody's, and nobody
    has said that its libraries are to be loaded. It counts if torch, once it is imported, or this package is from it.
    """
    origins = [getattr(sys.modules.get(name), "__file__", None) for name in ("torch", "nacelle_core")]
    own = {Path(origin).resolve().parent.parent for origin in origins if origin is not None}
    current = Path.cwd()
    folders = [folder for folder in sys.path if os.path.isabs(folder)]
    return [folder for folder in folders if Path(folder).resolve() != current or current in own]


def tensorrt_libraries() -> list[_core.Library]:
    """Returns every TensorRT library that engines are run with here, in the order in which one is looked for.

    Looks into ``NACELLE_TENSORRT_PATH`` (files and folders), at what the process has loaded, into Python packages that
    carry TensorRT, and at the system's library path, and opens what it finds: that takes a while, and memory. Those
    that cannot be opened are in the list too, with the reason.
    """
    return _core.tensorrt_libraries(package_folders())
