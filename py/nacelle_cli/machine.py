"""Finds the equipment of this machine: torch, the CUDA driver and its GPUs, TensorRT. This may take seconds."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
from dataclasses import dataclass, field
from pathlib import Path

import nacelle_core

_KERNEL_MODULE = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class Gpu:
    """A GPU; `memory` in bytes."""

    number: int
    name: str
    compute_capability: str
    memory: int


@dataclass(frozen=True)
class Driver:
    """The CUDA driver.

    Attributes:
        release: The release of the kernel's module: ``"580.65.06"``; empty if the module is not loaded.
        cuda: The newest CUDA that it runs: ``"13.0"``; empty if no driver could be opened.
        gpus: As CUDA numbers them; ``CUDA_VISIBLE_DEVICES`` may hide some.
        problem: Why there are no GPUs; else empty.
    """

    release: str
    cuda: str
    gpus: list[Gpu]
    problem: str


@dataclass(frozen=True)
class Library:
    """A file that may be a TensorRT library, as ``nacelle.TensorRTLibrary`` has it."""

    path: str
    source: str
    kind: str
    release: str
    problem: str

    @property
    def is_absent(self) -> bool:
        """True if there is no such file, under a name that was only tried."""
        return not self.release and "/" not in self.path and "No such file or directory" in self.problem


@dataclass
class Machine:
    """The equipment of this machine.

    Attributes:
        nacelle: The release of this package; empty if it cannot be imported, which `problem` says.
        problem: Why torch_nacelle cannot be imported; else empty.
        torch: The release of torch: ``"2.13.0+cpu"``.
        torch_cuda: The CUDA that torch was built for; empty for none.
        python: The release of Python.
        system: The system, for a person.
        peer: The release of Torch-TensorRT; empty if it is not installed.
        driver: The CUDA driver.
        libraries: Every TensorRT library that engines are run with, in the order in which one is looked for.
        variables: The environment variables that decide where engines run.
    """

    nacelle: str = ""
    problem: str = ""
    torch: str = ""
    torch_cuda: str = ""
    python: str = field(default_factory=platform.python_version)
    system: str = field(default_factory=lambda: f"{platform.system()} {platform.machine()}")
    peer: str = ""
    driver: Driver = field(default_factory=lambda: Driver("", "", [], ""))
    libraries: list[Library] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)


def look() -> Machine:
    """Looks at this machine."""
    found = Machine(driver=_driver(), peer=_release_of("torch_tensorrt"))
    for name in ("CUDA_VISIBLE_DEVICES", "NACELLE_TENSORRT_PATH"):
        if name in os.environ:
            found.variables[name] = os.environ[name]
    try:
        import torch

        found.torch, found.torch_cuda = torch.__version__, torch.version.cuda or ""
        import torch_nacelle as nacelle

        found.nacelle = nacelle.__version__
    except (ImportError, OSError) as error:
        found.problem = str(error)
    for one in nacelle_core.tensorrt_libraries():
        found.libraries.append(Library(one.path, one.source, one.kind, one.release, one.problem))
    return found


def _release_of(package: str) -> str:
    """The release of a package that is installed; it is not imported."""
    if importlib.util.find_spec(package) is None:
        return ""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown release"


def _driver() -> Driver:
    release = ""
    if _KERNEL_MODULE.exists():
        release = next(iter(re.findall(r"\b\d{3,}\.\d+(?:\.\d+)?\b", _KERNEL_MODULE.read_text())), "")
    found = nacelle_core.cuda_driver()
    cuda = f"{found.version // 1000}.{found.version % 1000 // 10}" if found.version else ""
    gpus = [Gpu(gpu.number, gpu.name, "{}.{}".format(*gpu.compute_capability), gpu.memory) for gpu in found.gpus]
    return Driver(release, cuda, gpus, found.problem)
