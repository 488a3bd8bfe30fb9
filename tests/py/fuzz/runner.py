"""Runs many cases in processes of their own, and makes those that fail smaller."""

from __future__ import annotations

import itertools
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tests.py.fuzz.judge import Finding

PATIENCE = 300.0
"""Seconds without an answer after which a case counts as one that hangs."""

_CASES_OF_A_WORKER = 50


@dataclass(frozen=True)
class Answer:
    """A worker's answer about a case.

    Attributes:
        features: The features of the case.
        findings: The faults.
        outcomes: The result of each variant.
        refusals: The first line of each refusal.
    """

    features: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    outcomes: dict[str, str] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)


class Worker:
    """A process that judges cases: started anew if it died, and after many cases, since torch keeps their types."""

    def __init__(self, subject: str = "", patience: float = PATIENCE) -> None:
        self._subject = subject
        self._patience = patience
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._cases = 0

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *ignored: object) -> None:
        self._stop()

    def judge(self, seed: int, without: Iterable[str] = (), variants: Sequence[str] = ()) -> Answer:
        """The worker's answer; a crash or a hang is a finding."""
        if self._process is None or self._cases >= _CASES_OF_A_WORKER:
            self._start()
        self._cases += 1
        assert self._process is not None and self._process.stdin is not None
        request = {"seed": seed, "without": sorted(without), "variants": list(variants)}
        variant = "generator"
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            while True:
                said = self._next(self._patience)
                if "findings" in said:
                    return _answer(said)
                variant = said["begins"]
        except (_SilentError, BrokenPipeError) as error:
            return Answer(findings=(Finding(variant, *self._end(error)),), outcomes={variant: "failed"})

    def _start(self) -> None:
        self._stop()
        self._cases = 0
        self._lines = queue.Queue()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115, closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.py.fuzz.worker", *([self._subject] if self._subject else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        threading.Thread(target=_read, args=(self._process, self._lines), daemon=True).start()
        try:
            self._next(PATIENCE)
        except (_SilentError, BrokenPipeError):
            raise RuntimeError(f"the worker does not start: {self._tail()}") from None

    def _next(self, patience: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=patience)
        except queue.Empty:
            raise _SilentError from None
        if line is None:
            raise BrokenPipeError
        said: dict[str, Any] = json.loads(line)
        return said

    def _end(self, error: BaseException) -> tuple[str, str]:
        """Why there was no answer: a kind and a detail."""
        assert self._process is not None
        try:
            # A process that closed its pipe is about to end.
            status = self._process.wait(timeout=PATIENCE if isinstance(error, BrokenPipeError) else 0)
        except subprocess.TimeoutExpired:
            self._stop()
            return "hang", f"no answer for {self._patience:g} s"
        tail = self._tail()
        self._stop()
        return "crash", f"exit status {status}: {tail}"

    def _tail(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-400:].decode(errors="replace")

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._errors.close()
        self._process = None


class _SilentError(Exception):
    """No answer came."""


def _read(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            lines.put(line)
    lines.put(None)


def _answer(said: dict[str, Any]) -> Answer:
    findings = tuple(Finding(*one) for one in said["findings"])
    return Answer(tuple(said["features"]), findings, said["outcomes"], said["refusals"])


@dataclass(frozen=True)
class Failure:
    """A case that fails, as small as it was made.

    Attributes:
        seed: The seed.
        without: The features that it fails without.
        finding: The fault.
    """

    seed: int
    without: tuple[str, ...]
    finding: Finding


def shrink(worker: Worker, seed: int, finding: Finding) -> Failure:
    """Leaves features out one by one, as long as the same kind of fault stays."""
    without: list[str] = []
    smallest = finding
    progress = True
    while progress:
        progress = False
        for feature in worker.judge(seed, without, [finding.variant]).features or _features(seed, without):
            found = _same(worker.judge(seed, [*without, feature], [finding.variant]), finding)
            if found is not None:
                without.append(feature)
                smallest = found
                progress = True
    return Failure(seed, tuple(without), smallest)


def _features(seed: int, without: Iterable[str]) -> tuple[str, ...]:
    from tests.py.fuzz.modules import generate

    return generate(seed, frozenset(without)).features


def _same(answer: Answer, finding: Finding) -> Finding | None:
    return next((one for one in answer.findings if one.identity == finding.identity), None)


@dataclass(frozen=True)
class Judged:
    """A case and what was said of it."""

    seed: int
    answer: Answer


def run(seeds: Iterable[int], jobs: int = 1, subject: str = "", seconds: float | None = None) -> Iterator[Judged]:
    """Judges the cases of `seeds`, in that order, each fifty in a process of its own.

    Which cases a process has judged before does not depend on the number of processes at a time.

    Args:
        seeds: The seeds; read as far as they are needed.
        jobs: The number of processes at a time.
        subject: The compiler under test, as the worker takes it.
        seconds: The time that it may take; then the last cases are left out.
    """
    end = None if seconds is None else time.monotonic() + seconds
    batches = _batches(iter(seeds), _CASES_OF_A_WORKER)
    with ThreadPoolExecutor(jobs) as pool:
        pending: deque[Future[list[Judged]]] = deque()
        for batch in batches:
            pending.append(pool.submit(_judge_batch, batch, subject, end))
            if len(pending) > jobs:
                yield from pending.popleft().result()
            if end is not None and time.monotonic() > end:
                break
        for future in pending:
            yield from future.result()


def _batches(seeds: Iterator[int], size: int) -> Iterator[list[int]]:
    while batch := list(itertools.islice(seeds, size)):
        yield batch


def _judge_batch(seeds: Sequence[int], subject: str, end: float | None) -> list[Judged]:
    judged = []
    with Worker(subject) as worker:
        for seed in seeds:
            if end is not None and time.monotonic() > end:
                break
            judged.append(Judged(seed, worker.judge(seed)))
    return judged


def summary(judged: Iterable[Judged]) -> dict[str, Counter[str]]:
    """For each variant, how often each outcome was."""
    result: dict[str, Counter[str]] = {}
    for one in judged:
        for variant, outcome in one.answer.outcomes.items():
            word = "no module" if outcome.startswith("no module") else outcome
            result.setdefault(variant, Counter())[word] += 1
    return result
