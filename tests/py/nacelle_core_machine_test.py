"""The CUDA driver and TensorRT's libraries, as the extension without torch finds them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DRIVER = """
import json, nacelle_core
driver = nacelle_core.cuda_driver()
gpus = [[gpu.number, gpu.name, gpu.compute_capability, gpu.memory >> 30] for gpu in driver.gpus]
print(json.dumps([driver.version, gpus, driver.problem]))
"""
LIBRARIES = """
import json, nacelle_core
found = nacelle_core.tensorrt_libraries()
print(json.dumps([[one.path, one.source, one.kind, one.release, one.problem] for one in found]))
"""


def told(code: str, **variables: str) -> list[Any]:
    """The JSON that a Python prints, which begins with no driver open."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)} | variables
    command = [sys.executable, "-c", code]
    outcome = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    answer: list[Any] = json.loads(outcome.stdout)
    return answer


def driver(library: str, folder: Path, **variables: str) -> list[Any]:
    """The facts about the driver if `library` is the libcuda.so.1 that the loader finds."""
    shutil.copy(Path("tests/core/device") / library, folder / "libcuda.so.1")
    return told(DRIVER, LD_LIBRARY_PATH=str(folder), **variables)


def test_the_gpus_of_a_driver(tmp_path: Path) -> None:
    assert driver("libfake_cuda.so", tmp_path) == [
        13020,
        [[0, "Fake A10", [8, 6], 24], [1, "Fake 100_ H100", [9, 0], 25], [2, "Fake A10", [8, 6], 26]],
        "",
    ]


def test_a_driver_without_a_gpu(tmp_path: Path) -> None:
    version, gpus, problem = driver("libfake_cuda.so", tmp_path, NACELLE_FAKE_CUDA="zero", CUDA_VISIBLE_DEVICES="\x1b")
    assert (version, gpus) == (13020, [])
    assert problem == r'libcuda.so.1: the driver lists no GPU (CUDA_VISIBLE_DEVICES is "\x1b")'


def test_a_library_that_is_no_driver(tmp_path: Path) -> None:
    version, gpus, problem = driver("libfake_not_cuda.so", tmp_path)
    assert (version, gpus) == (0, [])
    assert problem.startswith("libcuda.so.1 has no function cu")
    assert problem.endswith("what LD_LIBRARY_PATH names")


def test_a_file_that_is_no_library(tmp_path: Path) -> None:
    (tmp_path / "libcuda.so.1").write_bytes(b"no library")
    version, gpus, problem = told(DRIVER, LD_LIBRARY_PATH=str(tmp_path))
    assert (version, gpus) == (0, [])
    assert "libcuda.so.1" in problem


def test_libraries_that_are_named(tmp_path: Path) -> None:
    lean = next(Path("tests/core/tensorrt/fake").glob("libnvinfer_lean*.so*"))
    (tmp_path / "libnvinfer.so.10").write_bytes(b"no library")
    found = told(LIBRARIES, NACELLE_TENSORRT_PATH=f"{lean}:{tmp_path}")
    (path, source, kind, release, problem), damaged, *_ = found
    assert (path, source, kind, problem) == (str(lean), "NACELLE_TENSORRT_PATH", "lean", "")
    assert release.count(".") == 3
    assert damaged[:4] == [str(tmp_path / "libnvinfer.so.10"), "NACELLE_TENSORRT_PATH", "full", ""]
    assert "invalid ELF header" in damaged[4] or "file too short" in damaged[4]


@pytest.mark.parametrize("name", ["tensorrt_libs", "tensorrt_lean_libs"])
def test_libraries_of_packages_but_not_of_the_current_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "libnvinfer.so.10").write_bytes(b"no library")
    path = os.pathsep.join([*(entry for entry in sys.path if entry), str(tmp_path)])
    wanted = [str(tmp_path / name / "libnvinfer.so.10"), f"the Python package {name}"]
    assert wanted in [one[:2] for one in told(LIBRARIES, PYTHONPATH=path)]
    monkeypatch.chdir(tmp_path)
    assert wanted not in [one[:2] for one in told(LIBRARIES, PYTHONPATH=path)]
