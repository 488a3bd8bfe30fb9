"""The functions that pip calls to build the wheel from a source tree, with a stand-in for Bazel."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

BAZELW = """#!/bin/bash
printf '%s\\n' "$@" NACELLE_PYTHON="$NACELLE_PYTHON" > arguments
for argument in "$@"; do
  [[ $argument == --build_event_json_file=* ]] && cp events.json "${argument#*=}"
done
exit "$(cat code)"
"""


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = tmp_path / "toolchains/wheel/build_backend.py"
    module.parent.mkdir(parents=True)
    shutil.copy("toolchains/wheel/build_backend.py", module)
    script = tmp_path / "bazelw"
    script.write_text(BAZELW)
    script.chmod(0o755)
    (tmp_path / "code").write_text("0")
    monkeypatch.delenv("NACELLE_PYTHON", raising=False)
    specification = importlib.util.spec_from_file_location("build_backend", module)
    assert specification is not None and specification.loader is not None
    loaded = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(loaded)
    return loaded


def write_events(tree: Path, *wheels: Path) -> None:
    files = [{"name": f"py/{wheel.name}", "uri": wheel.as_uri()} for wheel in wheels]
    events = [{"id": {"started": {}}}, {"namedSetOfFiles": {"files": files}}]
    (tree / "events.json").write_text("\n".join(map(json.dumps, events)))


def make_wheel(tree: Path, name: str = "torch nacelle-0.1-py3.whl") -> Path:
    path = tree / name
    path.write_bytes(b"wheel")
    return path


def test_pip_gets_the_wheel_of_the_build(backend: ModuleType, tmp_path: Path) -> None:
    write_events(tmp_path, make_wheel(tmp_path))
    out = tmp_path / "out"
    out.mkdir()
    assert backend.build_wheel(str(out)) == "torch nacelle-0.1-py3.whl"
    assert (out / "torch nacelle-0.1-py3.whl").read_bytes() == b"wheel"
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments[0] == "build"
    assert arguments[-2:] == ["//py:wheel", f"NACELLE_PYTHON={sys.executable}"]
    assert "--config=local_torch" not in arguments


def test_torch_may_be_the_local_one(backend: ModuleType, tmp_path: Path) -> None:
    write_events(tmp_path, make_wheel(tmp_path))
    backend.build_wheel(str(tmp_path / "toolchains"), {"torch": "local"})
    assert "--config=local_torch" in (tmp_path / "arguments").read_text().splitlines()


def test_what_goes_wrong_is_said(backend: ModuleType, tmp_path: Path) -> None:
    write_events(tmp_path)
    with pytest.raises(SystemExit, match="made 0 wheels"):
        backend.build_wheel(str(tmp_path))
    with pytest.raises(SystemExit, match="there is no setting torch=mine; known: torch=pinned or local"):
        backend.build_wheel(str(tmp_path), {"torch": "mine"})
    (tmp_path / "code").write_text("3")
    with pytest.raises(SystemExit, match="ended with 3"):
        backend.build_wheel(str(tmp_path))
    with pytest.raises(SystemExit, match="git checkout"):
        backend.build_sdist(str(tmp_path))
