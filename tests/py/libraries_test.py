"""Libraries and modules are not taken from the current folder, which may be anybody's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = "import torch_nacelle; print(*[one.path for one in torch_nacelle.tensorrt_libraries()], sep='\\n')"
PACKAGES = ("tensorrt", "tensorrt_libs", "tensorrt_lean_libs", "tensorrt_rtx_libs")
NAMES = ("libnvinfer.so.10", "libnvinfer_lean.so.10", "libtensorrt_rtx.so.1", "libcuda.so.1", "libtorch_nacelle.so")


def folder_of_somebody(tmp_path: Path) -> Path:
    """A folder full of files with the names of libraries, some in folders with the names of packages."""
    folder = tmp_path / "somebody"
    for place in ("", *PACKAGES, "lib/python3/site-packages/tensorrt_libs", "torch_nacelle/reference"):
        (folder / place).mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            (folder / place / name).write_bytes(b"no library")
    return folder


def listed(folder: Path, arguments: list[str], **variables: str) -> str:
    """The TensorRT libraries that a Python started in `folder` lists."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    environment = os.environ | {"PYTHONPATH": path} | {k: v.replace("{}", path) for k, v in variables.items()}
    command = [sys.executable, *arguments]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (["-c", CODE], {}),
        (["-m", "torch_nacelle", "doctor"], {}),
        (["-c", CODE], {"PYTHONPATH": ":{}:"}),
        (["-c", CODE], {"NACELLE_TENSORRT_PATH": ""}),
        (["-c", CODE], {"NACELLE_TENSORRT_PATH": ":", "VIRTUAL_ENV": "", "RUNFILES_DIR": "", "TEST_SRCDIR": ""}),
    ],
    ids=["code", "module", "pythonpath", "empty", "elements"],
)
def test_no_library_of_the_current_folder(tmp_path: Path, arguments: list[str], variables: dict[str, str]) -> None:
    folder = folder_of_somebody(tmp_path)
    found = listed(folder, arguments, **variables)
    assert str(folder) not in found
    assert "libnvinfer.so.10" in found  # the system is asked for it


def test_a_folder_that_is_named_is_looked_into(tmp_path: Path) -> None:
    folder = folder_of_somebody(tmp_path)
    found = listed(folder, ["-c", CODE], NACELLE_TENSORRT_PATH=".")
    assert "./libnvinfer.so.10" in found
    other = tmp_path / "other"
    other.mkdir()
    assert f"{folder}/tensorrt_libs/libnvinfer.so.10" in listed(other, ["-c", CODE], PYTHONPATH=f"{{}}:{folder}")


def test_an_empty_name_of_the_reference_library_is_none(tmp_path: Path) -> None:
    code = (
        "import torch, torch_nacelle as nacelle; "
        "program = nacelle.compile(torch.nn.ReLU(), [torch.ones(2)], backend='reference'); "
        "print(program(torch.tensor([-1.0, 2.0])))"
    )
    folder = folder_of_somebody(tmp_path)
    shown = listed(folder, ["-W", "ignore", "-c", code], NACELLE_REFERENCE_LIBRARY="", RUNFILES_DIR="", TEST_SRCDIR="")
    assert shown == "tensor([0., 2.])\n"


def test_modules_of_the_current_folder_are_pythons_matter(tmp_path: Path) -> None:
    """`python -P` leaves the current folder out, as the docs say; the console script never has it."""
    for name in ("torch", "numpy", "rich", "typer", "nacelle_cli"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a module of the current folder')")
    safe = ["-P"] if sys.version_info >= (3, 11) else ["-I"]
    assert "This machine" in listed(tmp_path, [*safe, "-m", "torch_nacelle", "doctor"])
