"""Damaged and made-up programs are read or refused in words, at small cost: cases from fixed seeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.py.fuzz_reader import cases, runner, samples

COUNT = 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("samples")
    samples.make(made)
    return made


def test_all_are_read_or_refused(folder: Path) -> None:
    results = list(runner.run(iter(range(COUNT)), folder, jobs=2, with_torch=False))
    findings = [f"seed {result.seed}: {finding}" for result in results for finding in result.findings]
    assert not findings, "\n".join(findings)
    outcomes = [result.outcome for result in results]
    assert outcomes.count("read") > COUNT / 10
    assert outcomes.count("refused") > COUNT / 10


def test_a_seed_gives_the_same_case_each_time(folder: Path) -> None:
    known = cases.Samples(*samples.read(folder))
    made = [cases.make(seed, known) for seed in range(20)]
    assert [case.content for case in made] == [cases.make(seed, known).content for seed in range(20)]
    assert len({case.content for case in made}) > 15


def test_a_crash_is_a_finding(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = runner.Worker(folder, with_torch=False)
    monkeypatch.setattr(worker, "_command", ["/bin/sh", "-c", "echo '{\"ready\": true}'; read line; kill -SEGV $$"])
    assert worker.run(3).findings == ["maker: crash: exit status -11"]
