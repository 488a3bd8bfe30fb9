"""Makes or finds the Python packages that the build and the tests use, and describes them as JSON.

Run by the repository rule in repository.bzl with the interpreter that the packages are for:

    environment.py install LOCK_FOLDER SITE    installs the pinned packages into SITE, with pip
    environment.py probe                       looks at the packages that the interpreter has, imports none

The last line of standard output is the description.
"""

from __future__ import annotations

import compileall
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NoReturn

MINIMUM = (3, 10)
LINTERS = ("mypy", "ruff", "clang_format")


def stop(message: str) -> NoReturn:
    """Ends the program with a message for whoever started the build."""
    sys.exit(f"toolchains/python: {message}")


def check_interpreter() -> None:
    """Stops unless this interpreter is one that the project supports."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < MINIMUM:
        stop(
            f"{sys.executable} is Python {found}; {'.'.join(map(str, MINIMUM))} or newer is needed. "
            "Put a newer python3 first on PATH, or set NACELLE_PYTHON to one."
        )
    if sys.implementation.name != "cpython":
        stop(f"{sys.executable} is {sys.implementation.name} {found}; CPython is needed.")


def pip(*arguments: str | Path) -> None:
    """Runs pip with the user's own configuration of package indexes; its output goes to standard error."""
    if importlib.util.find_spec("pip") is None:
        stop(f"{sys.executable} has no pip. Install it (Debian and Ubuntu: apt-get install python3-pip).")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    environment = dict(os.environ, PIP_ROOT_USER_ACTION="ignore", PYTHONNOUSERSITE="1")
    if subprocess.run(command, env=environment, stdout=sys.stderr, check=False).returncode != 0:
        stop("pip failed (its own message is above): " + " ".join(command))


def locked_hashes(lock: Path) -> set[str]:
    """Returns every sha256 in a lock file."""
    return set(re.findall(r"--hash=sha256:([0-9a-f]{64})", lock.read_text(encoding="utf-8")))


def sha256(path: Path) -> str:
    """Returns the sha256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def install_torch(lock: Path, site: Path) -> None:
    """Installs the build of torch that the index prefers, if the lock has it.

    An index may offer a CPU and a CUDA build of one release. With --require-hashes pip takes a file whose hash the
    index states over one whose hash it does not, whatever their builds. So pip chooses without hashes here, and the
    chosen file is checked afterwards, before anything is done with it.
    """
    (requirement,) = re.findall(r"^[\w.-]+==[\w.]+", lock.read_text(encoding="utf-8"), re.MULTILINE)
    downloads = site.parent / "downloads"
    pip("download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--dest", downloads, requirement)
    (wheel,) = downloads.iterdir()
    if sha256(wheel) not in locked_hashes(lock):
        stop(f"{wheel.name} has sha256 {sha256(wheel)}, which is not in {lock.name}.")
    pip("install", "--no-index", "--no-deps", "--no-compile", "--target", site, wheel)
    shutil.rmtree(downloads)


def install_locked(lock: Path, site: Path) -> None:
    """Installs what a lock file names, each file with a hash that the lock has."""
    options = ("--require-hashes", "--no-deps", "--only-binary=:all:", "--no-compile", "--upgrade")
    pip("install", *options, "--target", site, "--requirement", lock)


def wants_cuda(site: Path) -> bool:
    """True if the torch installed in a folder is a build for CUDA, which needs NVIDIA's packages beside it."""
    (torch,) = importlib.metadata.distributions(name="torch", path=[str(site)])
    return any(requirement.startswith(("cuda-", "nvidia-")) for requirement in torch.requires or [])


def compile_packages(site: Path) -> None:
    """Compiles the packages to bytecode, on all cores.

    Each test runs in a sandbox that cannot write beside them, so each process would compile all that it imports: for
    torch with its compiler ten seconds. A file that this Python cannot read, which some packages have for newer ones,
    stays as it is.
    """
    compileall.compile_dir(site, quiet=2, workers=0)


def install(locks: Path, site: Path) -> None:
    """Installs the packages of the locks into a folder."""
    install_torch(locks / "torch.lock", site)
    install_locked(locks / "python.lock", site)
    if wants_cuda(site):
        install_locked(locks / "torch_cuda.lock", site)
    compile_packages(site)


def find_package(name: str, site: Path | None) -> Path | None:
    """Returns the folder of a package, without importing it."""
    if site is not None:
        folder = site / name
        return folder if folder.is_dir() else None
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))).resolve()


def torch_release(torch: Path) -> str:
    """Returns the release of the torch in a folder, as it names itself, such as 2.13.0+cpu."""
    text = (torch / "version.py").read_text(encoding="utf-8")
    found = re.search(r"^__version__\s*(?::[^=]*)?=\s*['\"]([^'\"]+)['\"]", text, re.MULTILINE)
    if found is None:
        stop(f"{torch / 'version.py'} does not name torch's release.")
    return found.group(1)


def nvidia_folders(torch: Path, name: str) -> list[str]:
    """Returns the folders of NVIDIA's packages beside torch: nvidia/*/lib or nvidia/*/include."""
    return sorted(str(folder) for folder in (torch.parent / "nvidia").glob(f"*/{name}") if folder.is_dir())


def describe(site: Path | None) -> dict[str, object]:
    """Describes the interpreter and its packages.

    Args:
        site: The folder that install() filled, or None for the interpreter's own packages.
    """
    torch = find_package("torch", site)
    if torch is None:
        stop(f"{sys.executable} has no torch. Install it there, or build without --config=local_torch.")
    release = torch_release(torch)
    linters = all(find_package(name, site) is not None for name in LINTERS)
    return {
        "interpreter": sys.executable,
        "python": ".".join(map(str, sys.version_info[:2])),
        "tag": f"cp{sys.version_info[0]}{sys.version_info[1]}",
        "extension_suffix": sysconfig.get_config_var("EXT_SUFFIX"),
        "platform": sysconfig.get_platform().replace("-", "_").replace(".", "_"),
        "include": sysconfig.get_path("include"),
        "site": str(site) if site is not None else "",
        "torch": str(torch),
        "torch_release": release,
        "torch_public": release.split("+")[0],
        "nvidia_libs": nvidia_folders(torch, "lib"),
        "nvidia_includes": nvidia_folders(torch, "include"),
        "linters": linters,
    }


def main(arguments: list[str]) -> None:
    """Runs the program."""
    check_interpreter()
    site: Path | None = None
    if arguments[:1] == ["install"] and len(arguments) == 3:
        site = Path(arguments[2]).resolve()
        install(Path(arguments[1]), site)
    elif arguments != ["probe"]:
        stop(f"unknown arguments {arguments}; {__doc__}")
    print(json.dumps(describe(site)))


if __name__ == "__main__":
    main(sys.argv[1:])
