"""Torch-TensorRT in the same process: whichever comes second gets one error that names both."""

import subprocess
import sys
from pathlib import Path

import pytest

PEER = Path("tests/runtime/libpeer.so").resolve()


def outcome(code: str) -> tuple[int, str]:
    """The exit status and all that a fresh Python prints when it runs `code`."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_imported_first_the_other_package_is_refused() -> None:
    status, text = outcome("import torch_nacelle\nimport torch_tensorrt")
    assert status == 1
    assert "ImportError: torch_nacelle is imported already: torch_nacelle and torch_tensorrt register the same" in text


def test_imported_second_this_package_refuses() -> None:
    status, text = outcome(
        "import sys, types\nsys.modules['torch_tensorrt'] = types.ModuleType('torch_tensorrt')\nimport torch_nacelle"
    )
    assert status == 1
    assert "ImportError: torch_tensorrt is imported already: torch_nacelle and torch_tensorrt register the same" in text


@pytest.mark.parametrize("first", ["peer", "nacelle"])
def test_as_libraries(first: str) -> None:
    register = (
        f"import ctypes, torch\npeer = ctypes.CDLL({str(PEER)!r})\n"
        "peer.RegisterPeer.restype = ctypes.c_char_p\nprint('peer:', peer.RegisterPeer().decode())\n"
    )
    load = "import torch_nacelle\n"
    status, text = outcome(register + load if first == "peer" else load + register)
    if first == "peer":
        assert status == 1
        assert "ImportError" in text
        assert "torch-nacelle cannot register its class and operators: another library" in text
        assert "torch.classes.tensorrt.Engine tensorrt::execute_engine" in text
        assert "only one of torch-nacelle and Torch-TensorRT" in text
    else:
        assert status == 0
        assert "peer: Only a single TORCH_LIBRARY can be used to register the namespace tensorrt" in text
        assert "torch-nacelle" in text
