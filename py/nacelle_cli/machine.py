"""What this machine has: torch, the CUDA driver and its GPUs, TensorRT. Looking may take seconds."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import importlib.util
import os
import platform
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and …_MINOR
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
        release: Of the kernel's module: ``"580.65.06"``; empty where that is not loaded.
        cuda: The newest CUDA that it runs: ``"13.0"``; empty where `problem` says why.
        gpus: As CUDA numbers them; ``CUDA_VISIBLE_DEVICES`` may hide some.
        problem: Why there is none; else empty.
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
        """Whether there is no such file, under a name that was only tried."""
        return not self.release and "/" not in self.path and "No such file or directory" in self.problem


@dataclass
class Machine:
    """What this machine has.

    Attributes:
        nacelle: The release of this package; empty where it cannot be imported, which `problem` says.
        problem: Why torch_nacelle cannot be imported; else empty.
        torch: The release of torch: ``"2.13.0+cpu"``.
        torch_cuda: The CUDA that torch was built for; empty for none.
        python: The release of Python.
        system: The system, for a person.
        peer: The release of Torch-TensorRT, where that is installed; else empty.
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
        for one in nacelle.tensorrt_libraries():
            found.libraries.append(Library(one.path, one.source, one.kind, one.release, one.problem))
    except (ImportError, OSError) as error:
        found.problem = str(error)
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
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
        return Driver(release, _cuda_release(cuda), _gpus(cuda), "")
    except OSError as error:
        return Driver(release, "", [], str(error))


def _function(cuda: ctypes.CDLL, name: str) -> Any:
    """A function of the driver.

    Raises:
        OSError: The library has none of that name.
    """
    try:
        return getattr(cuda, name)
    except AttributeError:
        raise OSError(
            f"libcuda.so.1 has no function {name}: it is not NVIDIA's driver, or far too old; see which one the "
            "system finds with ldconfig -p, and what LD_LIBRARY_PATH names"
        ) from None


def _check(cuda: ctypes.CDLL, function: str, *arguments: object) -> None:
    code = _function(cuda, function)(*arguments)
    if code != 0:
        text = ctypes.c_char_p()
        with contextlib.suppress(OSError):  # the number says it, too
            _function(cuda, "cuGetErrorString")(code, ctypes.byref(text))
        raise OSError(f"{function} failed: {(text.value or b'').decode(errors='backslashreplace') or f'error {code}'}")


def _cuda_release(cuda: ctypes.CDLL) -> str:
    _check(cuda, "cuInit", 0)
    number = ctypes.c_int()
    _check(cuda, "cuDriverGetVersion", ctypes.byref(number))
    return f"{number.value // 1000}.{number.value % 1000 // 10}"


def _gpus(cuda: ctypes.CDLL) -> list[Gpu]:
    count = ctypes.c_int()
    _check(cuda, "cuDeviceGetCount", ctypes.byref(count))
    return [_gpu(cuda, number) for number in range(count.value)]


def _gpu(cuda: ctypes.CDLL, number: int) -> Gpu:
    device, name, memory = ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.c_size_t()
    _check(cuda, "cuDeviceGet", ctypes.byref(device), number)
    _check(cuda, "cuDeviceGetName", name, len(name), device)
    _check(cuda, "cuDeviceTotalMem_v2", ctypes.byref(memory), device)
    numbers = []
    for attribute in (_MAJOR, _MINOR):
        value = ctypes.c_int()
        _check(cuda, "cuDeviceGetAttribute", ctypes.byref(value), attribute, device)
        numbers.append(str(value.value))
    return Gpu(number, name.value.decode(errors="backslashreplace"), ".".join(numbers), memory.value)
