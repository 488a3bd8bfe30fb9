"""Fuzzes the record parser and the plan header, from the seeds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.core.record.fuzz import seeds

FUZZER = Path("tests/core/record/fuzz/record_fuzz").resolve()
RUNS = 330_000  # as many as a minute had on a quiet machine


def fuzz(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([FUZZER, *arguments], capture_output=True, text=True, check=False)


def keep(artifacts: Path) -> None:
    """Puts inputs that failed beside the test's log, if Bazel gave a place for that."""
    place = os.environ.get("TEST_UNDECLARED_OUTPUTS_DIR")
    for path in artifacts.iterdir() if place else ():
        shutil.copy(path, str(place))


def test_nothing_is_found(tmp_path: Path) -> None:
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    corpus = tmp_path / "corpus"
    count = seeds.write(corpus)
    ended = fuzz(f"-runs={RUNS}", "-seed=1", "-timeout=300", f"-artifact_prefix={artifacts}/", corpus)
    keep(artifacts)
    assert ended.returncode == 0, ended.stderr[-10_000:]
    assert re.search(rf"INFO: seed corpus: files: {count} ", ended.stderr), ended.stderr[:2000]
    assert len(list(corpus.iterdir())) > count, "nothing new was found: is the target built with clang's coverage?"


def test_seeds_that_are_records_are_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were they refused for their form, the fuzzer would begin at the door."""
    seeds.write(tmp_path)
    monkeypatch.setenv("ABI_FUZZ_ACCEPT", "1")
    records = [tmp_path / name for name, _ in seeds.seeds() if name not in seeds.HEADERS]
    ended = fuzz(*records)
    assert ended.returncode == 0, ended.stderr
    assert fuzz(tmp_path / "reference").returncode != 0
