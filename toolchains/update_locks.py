"""Makes the lock files of toolchains/locks from the .in files beside them.

    python3 toolchains/update_locks.py [NAME ...]      NAME: python, torch, ... ; all of them by default

A lock names, for every requirement, the sha256 of each wheel that a supported Python on Linux x86_64 may take. The
hashes are those that the configured package index states; a wheel in a folder of pip's find-links is hashed here, and
a hash that is in a lock already stays while its version does, because another index may have offered that file.

This is a maintainers' tool: it asks pip's own package finder, whose Python interface may change (written for pip 23).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

LOCKS = Path(__file__).resolve().parent / "locks"
PYTHONS = ((3, 10), (3, 11), (3, 12), (3, 13))
NAMES = ("python", "torch", "torch_cuda", "cuda", "examples", "tensorrt", "torch_tensorrt", "triton", "ray", "coverage")
RESOLVED = ("python",)
HEADER = "# Made by toolchains/update_locks.py from {name}.in; not to be edited.\n"

Pin = tuple[str, str]  # name, version


def requirements(name: str) -> list[str]:
    """Returns the requirements of an .in file."""
    lines = (LOCKS / f"{name}.in").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def normalized(name: str) -> str:
    """Returns a project's name as the package index writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def index_alone() -> dict[str, str]:
    """Returns an environment in which pip asks the main index only.

    A folder of wheels, or a second index made of plain files, may not state which Python a release requires; pip then
    resolves for another Python as if every release supported it.
    """
    alone = {name: value for name, value in os.environ.items() if name not in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL")}
    return alone | {"PIP_CONFIG_FILE": os.devnull}


def resolve(name: str, python: tuple[int, int]) -> set[Pin]:
    """Returns the pins that pip would install for an .in file with one Python."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--only-binary=:all:", f"--python-version={python[0]}.{python[1]}", f"--target={folder}/target"]
        command += [f"--report={report}", f"--requirement={LOCKS / name}.in"]
        subprocess.run(command, check=True, env=index_alone())
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {(normalized(item["metadata"]["name"]), item["metadata"]["version"]) for item in found}


def marker(pythons: Iterable[tuple[int, int]]) -> str:
    """Returns the environment marker for some of the supported Pythons, empty for all of them."""
    chosen = sorted(pythons)
    if chosen == list(PYTHONS):
        return ""
    return " ; " + " or ".join(f'python_version == "{major}.{minor}"' for major, minor in chosen)


class Index:
    """The configured package index, as pip sees it with each of the supported Pythons."""

    def __init__(self) -> None:
        """Sets pip up; takes a second."""
        from pip._internal.commands import create_command
        from pip._internal.models.target_python import TargetPython

        command: Any = create_command("download")
        options, _ = command.parse_args(["nothing", "--only-binary=:all:"])
        self._context = command.main_context()
        self._context.__enter__()
        session = command.get_default_session(options)
        self._finders = [
            command._build_package_finder(
                options=options,
                session=session,
                target_python=TargetPython(py_version_info=python, implementation="cp"),
                ignore_requires_python=True,
            )
            for python in PYTHONS
        ]

    def hashes(self, pin: Pin) -> set[str]:
        """Returns the sha256 of every wheel of a pinned requirement, whatever build (local version) it is."""
        name, version = pin
        return {
            self._hash(candidate.link)
            for finder in self._finders
            for candidate in finder.find_all_candidates(name)
            if str(candidate.version).split("+")[0] == version
        }

    @staticmethod
    def _hash(link: Any) -> str:
        if link.hash_name == "sha256":
            return str(link.hash)
        if not link.is_file:
            sys.exit(f"{link.filename}: the index states no sha256 for it")
        with open(link.file_path, "rb") as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()


def locked(path: Path) -> dict[Pin, set[str]]:
    """Returns the hashes of a lock file by requirement, nothing if there is no file yet."""
    result: dict[Pin, set[str]] = defaultdict(set)
    pin: Pin | None = None
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        if found := re.match(r"([\w.-]+)==([\w.]+)", line):
            pin = (found[1], found[2])
        elif pin and (found := re.search(r"--hash=sha256:([0-9a-f]{64})", line)):
            result[pin].add(found[1])
    return result


def pins(name: str) -> Iterator[tuple[Pin, str]]:
    """Yields the pinned requirements of an .in file with their environment markers."""
    if name not in RESOLVED:
        for requirement in requirements(name):
            project, version = requirement.split("==")
            yield (normalized(project), version), ""
        return
    users: dict[Pin, list[tuple[int, int]]] = defaultdict(list)
    for python in PYTHONS:
        for pin in resolve(name, python):
            users[pin].append(python)
    for pin in sorted(users):
        yield pin, marker(users[pin])


def update(name: str, index: Index) -> None:
    """Writes one lock file."""
    path = LOCKS / f"{name}.lock"
    before = locked(path)
    text = HEADER.format(name=name)
    for pin, condition in pins(name):
        hashes = index.hashes(pin) | before[pin]
        if not hashes:
            sys.exit(f"{pin[0]}=={pin[1]}: the index has no wheel of it for a supported Python on this machine")
        lines = [f"{pin[0]}=={pin[1]}{condition}", *(f"--hash=sha256:{digest}" for digest in sorted(hashes))]
        text += " \\\n    ".join(lines) + "\n"
    path.write_text(text, encoding="utf-8")
    print(f"{path.name}: {len(text.splitlines())} lines")


def main(names: list[str]) -> None:
    """Runs the program."""
    if unknown := set(names) - set(NAMES):
        sys.exit(f"no such lock: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    index = Index()
    for name in names or NAMES:
        update(name, index)


if __name__ == "__main__":
    main(sys.argv[1:])
