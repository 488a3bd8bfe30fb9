"""Loads the runtime's library into the process, once, before anything else of the package."""

import ctypes
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import torch

from torch_nacelle._runtime.build_info import TORCH_RELEASE

LIBRARY = Path(__file__).parents[1] / "lib" / "libtorch_nacelle.so"

_PEER = "torch_tensorrt"
_ONE_OF_TWO = (
    "torch_nacelle and torch_tensorrt register the same class (torch.classes.tensorrt.Engine) and operator "
    "(tensorrt::execute_engine), so a process can import only one of them; each loads the other's programs"
)


class _Refuse(importlib.abc.Loader):
    """Loads nothing, and says why."""

    def exec_module(self, module: ModuleType) -> None:
        raise ImportError(f"torch_nacelle is imported already: {_ONE_OF_TWO}", name=_PEER)


class _PeerGuard(importlib.abc.MetaPathFinder):
    """Refuses to import Torch-TensorRT after us: torch's registry would end the process.

    Only the import: whoever merely asks whether the package is there, as many do, gets the answer.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != _PEER:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None:
                spec.loader = _Refuse()
                return spec
        return None


def _check_torch() -> None:
    found = torch.__version__.split("+")[0]
    if found != TORCH_RELEASE:
        raise ImportError(
            f"this torch_nacelle was built for torch {TORCH_RELEASE}, and torch {torch.__version__} is installed; "
            f"install torch=={TORCH_RELEASE}, or the torch_nacelle that was built for torch {found}"
        )


def _check_peer() -> None:
    if _PEER in sys.modules:
        raise ImportError(f"torch_tensorrt is imported already: {_ONE_OF_TWO}", name="torch_nacelle")


def _load() -> None:
    _check_torch()
    _check_peer()
    # torch's libraries are in the process by now, so this one finds them by name, in whatever folder they are.
    ctypes.CDLL(str(LIBRARY))
    sys.meta_path.insert(0, _PeerGuard())


_load()
