"""The TensorRT libraries of this machine."""

from dataclasses import dataclass

import nacelle_core
from torch_nacelle import _C


@dataclass(frozen=True)
class TensorRTLibrary:
    """A file that may be a TensorRT runtime library.

    Attributes:
        path: The file; a bare name such as ``libnvinfer.so.10`` if the system was asked for it.
        source: The place where it was looked for, for a person.
        kind: ``"full"``, ``"lean"``, ``"dispatch"`` or ``"TensorRT-RTX"``.
        release: ``"10.15.1.29"``; empty if it could not be opened.
        problem: Why it could not be opened; empty if it could.
    """

    path: str
    source: str
    kind: str
    release: str
    problem: str


def tensorrt_libraries() -> list[TensorRTLibrary]:
    """Every TensorRT library that engines are run with here, in the order in which one is looked for.

    Looks into ``NACELLE_TENSORRT_PATH`` (files and folders), at what the process has loaded, into Python packages that
    carry TensorRT, and at the system's library path, and opens what it finds: that takes a while, and memory.

    Returns:
        All candidates, with those that cannot be opened and why.
    """
    return [
        TensorRTLibrary(report.path, report.source, report.kind, report.release, report.problem)
        for report in nacelle_core.tensorrt_libraries()
    ]


# The runtime looks into these folders when the first TensorRT plan is set up; nothing is opened now.
_C.set_package_folders(nacelle_core.package_folders())
