"""Lets pip build the wheel from a source tree: ``pip install .``, ``pip install git+…`` (PEP 517).

The wheel is that of ``./bazelw build //py:wheel``, for the Python that runs pip. It is built against the pinned torch,
or against the torch of that Python:

    pip install --no-build-isolation --config-settings torch=local .

Environment variables of the build (docs/contributing/building.md) hold here too. pip runs this module with no other
package.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_SETTINGS = {"torch": {"pinned": [], "local": ["--config=local_torch"]}}


def build_wheel(
    wheel_directory: str,
    config_settings: Mapping[str, Any] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Builds the wheel and copies it into a folder. Returns its file name.

    Raises:
        SystemExit: A setting is not known, or the build failed; Bazel has said why on standard error.
    """
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events.json"
        command = [
            str(_ROOT / "bazelw"), "build", f"--build_event_json_file={events}", *_options(config_settings or {}),
            "//py:wheel",
        ]  # fmt: skip
        environment = {"NACELLE_PYTHON": sys.executable, **os.environ}
        code = subprocess.run(command, cwd=_ROOT, env=environment, stdout=sys.stderr, check=False).returncode
        if code != 0:
            raise SystemExit(f"{' '.join(command[:2])} //py:wheel ended with {code}; its messages are above")
        wheel = _wheel(events.read_text(encoding="utf-8").splitlines())
    shutil.copy(wheel, wheel_directory)
    return wheel.name


def build_sdist(sdist_directory: str, config_settings: Mapping[str, Any] | None = None) -> str:
    """Refuses: a source distribution is a git checkout."""
    raise SystemExit("there is no source distribution; build a wheel from a git checkout")


def _options(settings: Mapping[str, Any]) -> list[str]:
    options: list[str] = []
    for name, value in settings.items():
        if value not in _SETTINGS.get(name, {}):
            known = "; ".join(f"{key}={' or '.join(values)}" for key, values in _SETTINGS.items())
            raise SystemExit(f"there is no setting {name}={value}; known: {known}")
        options += _SETTINGS[name][value]
    return options


def _wheel(events: Iterable[str]) -> Path:
    """Returns the one wheel that Bazel's build events name."""
    files = (file for event in events for file in json.loads(event).get("namedSetOfFiles", {}).get("files", []))
    wheels = {
        urllib.parse.unquote(file["uri"].removeprefix("file://")) for file in files if file["name"].endswith(".whl")
    }
    if len(wheels) != 1:
        raise SystemExit(f"the build made {len(wheels)} wheels; wanted 1")
    return Path(wheels.pop())
