"""./bazelw on machines that have, and that lack, what it needs: the tools on PATH are stand-ins."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BASICS = ("bash", "cat", "chmod", "dirname", "env", "mkdir")


class Machine:
    """A machine of stand-ins: a folder that is all of PATH."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.googletest = folder / "googletest"
        self.bin.mkdir()
        for name in BASICS:
            found = shutil.which(name)
            assert found is not None
            (self.bin / name).symlink_to(found)
        self.add("clang++", "echo /some/where/libclang_rt.fuzzer-x86_64.a")
        self.add("g++")
        self.add("git")
        (self.googletest / "googlemock").mkdir(parents=True)

    def add(self, name: str, text: str = "") -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
        path.chmod(0o755)

    def add_package_manager(self, installs: str) -> None:
        """Adds an apt-get that says what it is asked and installs what `installs` says."""
        self.add("apt-get", f'echo "apt-get $*"\nif [[ $1 == install ]]; then {installs}; fi')
        self.add("sudo", 'exec "$@"')

    def bazelw(self, *arguments: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
        environment = {
            "NACELLE_GOOGLETEST": str(self.googletest),
            "NACELLE_PYTHON": python,
            "PATH": str(self.bin),
            "CXX": "g++",
        }
        return subprocess.run(["./bazelw", *arguments], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("name", ["bazel", "bazelisk"])
def test_nothing_is_missing(machine: Machine, name: str) -> None:
    machine.add(name, f'echo "{name} $*"')
    result = machine.bazelw("test", "//...")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{name} test //...\n", "")


def test_what_is_missing_is_installed_and_said(machine: Machine) -> None:
    shutil.rmtree(machine.googletest)
    bazel = machine.bin / "bazel"
    install = f"mkdir -p {machine.googletest}/googlemock; echo 'echo \"bazel $*\"' > {bazel}; chmod +x {bazel}"
    machine.add_package_manager(install)
    result = machine.bazelw("build", "//py:wheel")
    assert result.returncode == 0, result.stderr
    assert result.stdout == "bazel build //py:wheel\n"
    assert "bazelw: installing from the system's packages: bazel-bootstrap googletest\n" in result.stderr
    assert "apt-get install --yes --no-install-recommends bazel-bootstrap googletest\n" in result.stderr


@pytest.mark.parametrize("arguments", [["test", "//core/..."], ["build", "//..."], ["--batch", "test", "//core:x"]])
@pytest.mark.parametrize("clang", [None, "echo libclang_rt.fuzzer-x86_64.a"])
def test_clang_is_installed_for_tests(machine: Machine, arguments: list[str], clang: str | None) -> None:
    machine.add("bazel", 'echo "bazel $*"')
    path = machine.bin / "clang++"
    path.unlink()
    if clang is not None:  # without its libraries, it gives back the bare name
        machine.add("clang++", clang)
    machine.add_package_manager(f"echo 'echo /lib/clang/fuzzer.a' > {path}; chmod +x {path}")
    result = machine.bazelw(*arguments)
    assert result.returncode == 0, result.stderr
    assert "bazelw: installing from the system's packages: clang libclang-rt-dev\n" in result.stderr


def test_clang_is_not_installed_for_the_wheel(machine: Machine) -> None:
    machine.add("bazel", 'echo "bazel $*"')
    (machine.bin / "clang++").unlink()
    assert machine.bazelw("build", "//py:wheel").stdout == "bazel build //py:wheel\n"


def test_an_installation_that_does_not_help(machine: Machine) -> None:
    machine.add_package_manager(":")
    result = machine.bazelw("info")
    assert result.returncode == 1
    assert "still missing after the installation: bazel-bootstrap" in result.stderr


def test_no_package_manager(machine: Machine) -> None:
    result = machine.bazelw("info")
    assert result.returncode == 1
    assert "missing: bazel-bootstrap" in result.stderr
    assert "no apt-get" in result.stderr


def test_python_is_too_old(machine: Machine) -> None:
    machine.add("bazel")
    machine.add("python", '[[ $2 == *version_info* ]] && exit 1; [[ $1 == --version ]] && echo "Python 3.8.1"; exit 0')
    result = machine.bazelw("info", python=str(machine.bin / "python"))
    assert result.returncode == 1
    assert "Python 3.8.1 is too old; Python 3.10 or newer is needed" in result.stderr
