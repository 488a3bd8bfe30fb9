"""The wheel rule, on a small package: names, metadata, contents, and what pip says of it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from packaging.utils import parse_wheel_filename

from toolchains.wheel import make_wheel
from toolchains.wheel.virtual_environment import VirtualEnvironment

(WHEEL,) = Path("tests/build").glob("*.whl")


def test_name_is_of_the_interpreter() -> None:
    name, version, _, tags = parse_wheel_filename(WHEEL.name)
    assert (name, str(version)) == ("sample-package", "0.1.0")
    assert {tag.abi for tag in tags} == {tag.interpreter for tag in tags}


def test_contents() -> None:
    with zipfile.ZipFile(WHEEL) as archive:
        names = archive.namelist()
        metadata = archive.read("sample_package-0.1.0.dist-info/METADATA").decode()
        assert {entry.date_time for entry in archive.infolist()} == {make_wheel.EPOCH}
    assert names[:2] == ["sample_package/__init__.py", "sample_package/data/numbers.txt"]
    assert names[-1] == "sample_package-0.1.0.dist-info/RECORD"
    assert "Requires-Dist: torch==2." in metadata
    assert "Requires-Python: >=3.10" in metadata
    assert 'Provides-Extra: numbers\nRequires-Dist: numpy>=2; extra == "numbers"\n' in metadata


def specification(folder: Path, files: list[list[str]]) -> dict[str, object]:
    """Returns what the rule would write for a wheel of some files."""
    (folder / "text").write_text("text\n", encoding="utf-8")
    text = str(folder / "text")
    return {
        "distribution": "twice",
        "entry_points": {"twice": "twice.a:main"},
        "extras": {},
        "files": files,
        "license": text,
        "readme": text,
        "requires": [],
        "requires_python": ">=3.10",
        "summary": "A package.",
        "tag": "py3-none-any",
        "version": "1.0",
    }


def test_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("A = 1\n", encoding="utf-8")
    (tmp_path / "b.py").write_text("B = 2\n", encoding="utf-8")
    files = [["twice/a.py", str(tmp_path / "a.py")], ["twice/b.py", str(tmp_path / "b.py")]]
    make_wheel.write_wheel(specification(tmp_path, files), tmp_path / "one.whl")
    make_wheel.write_wheel(specification(tmp_path, files[::-1]), tmp_path / "two.whl")
    assert (tmp_path / "one.whl").read_bytes() == (tmp_path / "two.whl").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.whl") as archive:
        assert archive.read("twice-1.0.dist-info/entry_points.txt") == b"[console_scripts]\ntwice = twice.a:main\n"


def test_two_files_for_one_place(tmp_path: Path) -> None:
    files = [["twice/a.py", "first"], ["twice/a.py", "second"]]
    (tmp_path / "first").write_text("", encoding="utf-8")
    wanted = specification(tmp_path, [[path, str(tmp_path / source)] for path, source in files])
    with pytest.raises(SystemExit, match=r"two files for twice/a\.py .* second"):
        make_wheel.contents(json.loads(json.dumps(wanted)))


def test_installs_into_an_empty_environment(tmp_path: Path) -> None:
    environment = VirtualEnvironment(tmp_path / "environment")
    environment.install(WHEEL)
    printed = environment.run("-c", "import sample_package; print(sample_package.numbers())").stdout
    assert printed == "[1, 2, 3]\n"
    shown = environment.run("-m", "pip", "check").stdout
    assert "sample-package" not in shown
