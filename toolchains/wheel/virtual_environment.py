"""An empty virtual environment beside the build's torch, for tests that see the project as its users do."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import venv
from pathlib import Path


def torch_site() -> Path:
    """Returns the folder that holds the build's torch, without importing it."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        raise RuntimeError(f"{sys.executable} has no torch beside it")
    return Path(spec.origin).parent.parent


class VirtualEnvironment:
    """A virtual environment that holds pip, and sees the packages of the folder that torch is in.

    Torch is seen, not copied: a .pth file names its folder, so that pip finds it installed and checks the release that
    a wheel requires. Nothing of the source tree or of the test's own sys.path is seen.
    """

    def __init__(self, folder: Path) -> None:
        """Makes the environment in a new folder; takes some seconds."""
        venv.EnvBuilder(with_pip=True, symlinks=True).create(folder)
        self.folder = folder
        self.python = folder / "bin" / "python"
        # The copy that comes with some Pythons would stand before the one that torch requires.
        self.run("-m", "pip", "uninstall", "--yes", "--quiet", "setuptools")
        (site,) = (folder / "lib").glob("python3.*/site-packages")
        (site / "torch.pth").write_text(f"{torch_site()}\n", encoding="utf-8")

    def run(self, *arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Runs the environment's Python and returns its output; a failure raises, with the output in the message.

        Args:
            arguments: The arguments of `python`.
            cwd: The folder to run in, by default the environment's own.
        """
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        command = [str(self.python), *map(str, arguments)]
        result = subprocess.run(
            command, cwd=cwd or self.folder, env=environment, capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            raise AssertionError(f"{command} ended with {result.returncode}:\n{result.stdout}{result.stderr}")
        return result

    def install(self, wheel: Path) -> None:
        """Installs a wheel with pip, from nothing but this machine: what it requires must be there."""
        self.run("-m", "pip", "install", "--no-index", "--no-cache-dir", wheel.resolve())
