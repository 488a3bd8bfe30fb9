"""Shape laws that are kept in a program's file: used if they pass the engine's test, else found anew."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.engine_kinds import Positive, Windows, of
from torch_nacelle._export import engine_laws
from torch_nacelle._export.shape_laws import EngineLaws
from torch_nacelle._saving import kept_laws


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    nacelle.save(of(Windows()).module, tmp_path / "x.pt2")
    return tmp_path / "x.pt2"


@pytest.fixture
def recoveries(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Forgets the laws that were found in this process, and lists the engines that are asked anew."""
    asked: list[object] = []
    run = engine_laws._Recovery.run

    def counted(recovery: Any) -> Any:
        asked.append(recovery)
        return run(recovery)

    monkeypatch.setattr(engine_laws._Recovery, "run", counted)
    monkeypatch.setattr(engine_laws, "_kept", type(engine_laws._kept)())
    monkeypatch.setattr(engine_laws, "_offered", type(engine_laws._offered)())
    return asked


def rewritten(path: Path, change: Callable[[str], str]) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    (name,) = (name for name in members if name.endswith(kept_laws.FILE))
    members[name] = change(members[name].decode()).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)


def exported_again(path: Path) -> torch.export.ExportedProgram:
    run = nacelle.load(path)
    batch = torch.export.Dim("batch", min=2, max=8)
    return torch.export.export(run, (torch.ones(4, 3),), dynamic_shapes=({0: batch},))


def outputs_of(program: torch.export.ExportedProgram) -> list[list[str]]:
    (outputs,) = program.graph.output_node().args
    return [[str(size) for size in node.meta["val"].shape] for node in outputs]


def laws_in(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(kept_laws.FILE))
        found: dict[str, Any] = json.loads(archive.read(name))
        return found


def test_the_laws_are_in_the_file(saved: Path) -> None:
    found = laws_in(saved)
    assert found["version"] == 1
    (text,) = found["engines"].values()
    assert text == EngineLaws.load(text).dump()


def test_laws_of_the_file_are_used(saved: Path, recoveries: list[object]) -> None:
    exported_again(saved)
    assert recoveries == []


def test_without_them_the_engine_is_asked(saved: Path, recoveries: list[object]) -> None:
    rewritten(saved, lambda text: json.dumps({"version": 1, "engines": {}}))
    exported_again(saved)
    assert len(recoveries) == 1


WRONG: dict[str, Callable[[dict[str, Any]], object]] = {
    "a law that is wrong": lambda laws: laws["engines"].update({"engine": "2\n0.0\n2 * 0.0, 3"}),
    "a law that is right at the optimum": lambda laws: laws["engines"].update({"engine": "2\n3\n4, 3"}),
    "other ranks": lambda laws: laws["engines"].update({"engine": "3\n0.0\n2 * 0.0, 3"}),
    "fewer outputs": lambda laws: laws["engines"].update({"engine": "2\n0.0"}),
    "a size that is unknown": lambda laws: laws["engines"].update({"engine": "2\n? 0 to 1 (no law)\n2 * 0.0, 3"}),
    "no law": lambda laws: laws["engines"].update({"engine": "__import__('os').abort()"}),
    "no text": lambda laws: laws["engines"].update({"engine": 3}),
    "no engines": lambda laws: laws.update({"engines": 3}),
    "another version": lambda laws: laws.update({"version": 2}),
}


@pytest.mark.parametrize("what", WRONG)
def test_laws_that_are_not_the_engines_are_found_anew(what: str, saved: Path, recoveries: list[object]) -> None:
    wanted = outputs_of(exported_again(saved))
    engine_laws._kept.clear()

    def change(text: str) -> str:
        laws = json.loads(text)
        assert list(laws["engines"]) == ["engine"]
        WRONG[what](laws)
        return json.dumps(laws)

    rewritten(saved, change)
    engine_laws._offered.clear()
    assert outputs_of(exported_again(saved)) == wanted
    assert len(recoveries) == 1


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, "3", '"x"', "\udcff".encode("utf-8", "surrogateescape").hex()]
)
def test_a_file_that_is_no_json_is_passed_over(text: str, saved: Path, recoveries: list[object]) -> None:
    rewritten(saved, lambda _: text)
    exported_again(saved)
    assert len(recoveries) == 1


def test_sizes_that_depend_on_values_are_found_anew(tmp_path: Path, recoveries: list[object]) -> None:
    nacelle.save(of(Positive()).module, tmp_path / "x.pt2")
    assert len(recoveries) == 1
    engine_laws._kept.clear()
    exported_again(tmp_path / "x.pt2")
    assert len(recoveries) == 2
