"""Exported programs that were changed at random: the reader reads or refuses each."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from nacelle_cli.failures import CommandError
from tests.py.fuzz_pt2 import cases
from tests.py.fuzz_pt2.seeds import Members, seeds


@pytest.fixture(scope="module")
def programs() -> list[Members]:
    return seeds()


def test_no_case_is_a_finding() -> None:
    judged = list(cases.run(range(60), jobs=2))
    assert [(each.seed, each.outcome) for each in judged if each.is_finding] == []
    assert len(judged) == 60
    assert {each.outcome for each in judged} == {"read", "refused"}


def _touches(path: Path) -> None:
    (path.parent / "marker").touch()


def _raises(path: Path) -> None:
    raise KeyError("x")


def _takes_memory(path: Path) -> None:
    bytearray(200 << 20)[:: 1 << 12] = bytes(200 << 8)  # each page is used


def _ends(path: Path) -> None:
    os.kill(os.getpid(), signal.SIGABRT)


def _refuses(path: Path) -> None:
    raise CommandError("no")


@pytest.mark.parametrize(
    ("reader", "outcome"),
    [
        (_touches, "FINDING Python of the file ran"),
        (_raises, "FINDING raises KeyError"),
        (_takes_memory, r"FINDING \d\d\d MiB of memory"),
        (_ends, "FINDING crash: signal 6"),
        (_refuses, "refused"),
    ],
)
def test_findings_are_noticed(
    reader: object, outcome: str, programs: list[Members], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cases, "seeds", lambda: programs)
    monkeypatch.setattr(cases, "_warm_up", lambda root, programs: None)
    monkeypatch.setattr(cases, "load_model", reader)
    (judged,) = cases.run([1], jobs=1)
    assert re.match(outcome, judged.outcome), judged.outcome


def test_the_same_seed_makes_the_same_file(programs: list[Members], tmp_path: Path) -> None:
    first, second = (cases.make(7, tmp_path / name, programs) for name in ("a", "b"))
    assert first.read_bytes().replace(b"/a/", b"/b/") == second.read_bytes()
