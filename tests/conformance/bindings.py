"""NVIDIA's own Python bindings of one TensorRT release, with the reference engine in TensorRT's place."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch  # noqa: F401 (the reference engine uses its libraries, which are found because torch is here)

# Set in BUILD: the release of the bindings, and the library that stands for TensorRT.
RELEASE = os.environ["NACELLE_BINDINGS"]
LIBRARY = Path(os.environ["NACELLE_CONFORMANCE_LIBRARY"]).resolve()

VERSION = tuple(int(number) for number in RELEASE.split("."))
MAJOR = VERSION[0]

# Bazel puts the files of an external repository beside those of this one.
_FILES = Path(__file__).parents[2].parent / f"tensorrt_bindings_{RELEASE.replace('.', '_')}" / "files"

# What the extension module links against.
_LIBRARIES = ("nvinfer", "nvinfer_plugin", "nvonnxparser") + (("nvparsers",) if MAJOR == 8 else ())


def _load() -> Any:
    """Imports the bindings out of a folder made for it.

    The run path of NVIDIA's extension module begins with the folder that it lies in. So the names that it links against
    stand there, beside links to the wheel's own files, and all of them are the one library.
    """
    folder = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
    package = Path(folder, "tensorrt_bindings")
    package.mkdir()
    for file in (_FILES / "tensorrt_bindings").iterdir():
        (package / file.name).symlink_to(file.resolve())
    for name in _LIBRARIES:
        (package / f"lib{name}.so.{MAJOR}").symlink_to(LIBRARY)
    sys.path.insert(0, folder)
    return importlib.import_module("tensorrt_bindings")


trt: Any = _load()


def mapped_libraries() -> set[Path]:
    """Returns the shared libraries of NVIDIA's and of this project that the process has mapped."""
    maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    files = {Path(line.split(maxsplit=5)[5]) for line in maps if "/" in line}
    return {file for file in files if file.name.startswith(("libnv", "libnacelle"))}
