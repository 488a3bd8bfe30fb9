"""Torch-TensorRT in the same process: whichever comes second gets one error that names both."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PEER = Path("tests/runtime/libpeer.so").resolve()


def outcome(code: str, folder: Path | None = None) -> tuple[int, str]:
    """The exit status and all that a fresh Python prints when it runs `code`, with modules of `folder`."""
    path = [str(folder)] if folder is not None else []
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path + sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def peer_package(tmp_path: Path) -> Path:
    """A folder with a package of the other's name."""
    (tmp_path / "torch_tensorrt").mkdir()
    (tmp_path / "torch_tensorrt" / "__init__.py").write_text("print('the other was run')\n")
    return tmp_path


def test_imported_first_the_other_package_is_refused(peer_package: Path) -> None:
    status, text = outcome("import torch_nacelle\nimport torch_tensorrt", peer_package)
    assert status == 1
    assert "ImportError: torch_nacelle is imported already: torch_nacelle and torch_tensorrt register the same" in text
    assert "the other was run" not in text


def test_whether_the_other_package_is_there_may_be_asked(peer_package: Path) -> None:
    ask = "import importlib.util, torch_nacelle\nprint(importlib.util.find_spec('torch_tensorrt') is not None)"
    assert outcome(ask, peer_package) == (0, "True\n")
    assert outcome(ask) == (0, "False\n")


def test_where_the_other_is_not_there_python_says_so() -> None:
    status, text = outcome("import torch_nacelle\nimport torch_tensorrt")
    assert status == 1
    assert "ModuleNotFoundError: No module named 'torch_tensorrt'" in text


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
