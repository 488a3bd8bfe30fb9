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

# TensorRT-RTX counts its own releases; 1.7 has the interface of TensorRT 11.1.
RTX = RELEASE.startswith("1.")

# The release of TensorRT whose interface the bindings speak.
VERSION = (11, 1, 0, 106) if RTX else tuple(int(number) for number in RELEASE.split("."))
MAJOR = VERSION[0]

# Bazel puts the files of an external repository beside those of this one.
_FILES = Path(__file__).parents[2].parent / f"tensorrt_bindings_{RELEASE.replace('.', '_')}" / "files"

_PACKAGE = "tensorrt_rtx_bindings" if RTX else "tensorrt_bindings"


def _linked_names() -> list[str]:
    """Returns the file names of the libraries that the extension module links against."""
    if RTX:
        return ["libtensorrt_rtx.so.1", "libtensorrt_onnxparser_rtx.so.1"]
    names = ["nvinfer", "nvinfer_plugin", "nvonnxparser"] + (["nvparsers"] if MAJOR == 8 else [])
    return [f"lib{name}.so.{MAJOR}" for name in names]


def _load() -> Any:
    """Imports the bindings out of a folder made for it.

    The run path of NVIDIA's extension module begins with the folder that it lies in. So the names that it links against
    stand there, beside links to the wheel's own files, and all of them are the one library.
    """
    folder = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
    package = Path(folder, _PACKAGE)
    package.mkdir()
    for file in (_FILES / _PACKAGE).iterdir():
        (package / file.name).symlink_to(file.resolve())
    for name in _linked_names():
        (package / name).symlink_to(LIBRARY)
    sys.path.insert(0, folder)
    return importlib.import_module(_PACKAGE)


trt: Any = _load()


def mapped_libraries() -> set[Path]:
    """Returns the shared libraries of NVIDIA's and of this project that the process has mapped."""
    maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    files = {Path(line.split(maxsplit=5)[5]) for line in maps if "/" in line}
    return {file for file in files if file.name.startswith(("libnv", "libnacelle"))}
