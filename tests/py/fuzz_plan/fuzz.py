"""Fuzzes the set-up of plans of the reference engine: `bazel run //tests/py/fuzz_plan:fuzz -- --seconds 600`."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.py.fuzz_plan.mutations import generate
from tests.py.fuzz_plan.seeds import sound_plans

_SECONDS_BETWEEN_NOTES = 20


@dataclass(frozen=True)
class Finding:
    """A case that is not as it should be.

    Attributes:
        seed: Its seed.
        kind: "crash", "hang", "exception", "file" or "memory".
        detail: The known facts about it.
        plan: The plan.
    """

    seed: int
    kind: str
    detail: str
    plan: bytes


@dataclass(frozen=True)
class Result:
    """The findings of a run.

    Attributes:
        cases: The number of plans that were set up.
        findings: The faults.
        slowest: The most seconds that a case took.
        largest: The most bytes of memory that a case took.
        baseline: Bytes of memory for a sound plan.
    """

    cases: int
    findings: list[Finding]
    slowest: float
    largest: int
    baseline: int


def run(first: int, *, count: int | None = None, seconds: float | None = None, jobs: int = 1) -> Result:
    """Sets up the plans of the seeds from `first` on, so many or for so long, in `jobs` processes at a time."""
    plans = sound_plans()
    seeds: Iterator[int] = itertools.count(first) if count is None else iter(range(first, first + count))
    deadline = None if seconds is None else time.monotonic() + seconds
    lock = threading.Lock()
    answers: list[dict[str, Any]] = []
    baselines: list[int] = []
    failures: list[BaseException] = []

    def next_seed() -> int | None:
        with lock:
            return None if deadline is not None and time.monotonic() > deadline else next(seeds, None)

    def work(folder: str) -> None:
        try:
            with _worker(folder) as worker:
                baselines.append(_answer(worker)["ready"])
                while (seed := next_seed()) is not None:
                    _ask(worker, seed)
                    answers.append(_answer(worker))
        except BaseException as error:
            failures.append(error)

    with tempfile.TemporaryDirectory() as folder:
        for i, plan in enumerate(plans):
            (Path(folder) / f"{i}.plan").write_bytes(plan)
        threads = [threading.Thread(target=work, args=(folder,)) for _ in range(jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(_SECONDS_BETWEEN_NOTES)
                found = [f"seed {one['seed']}" for one in list(answers) if one["kind"]]
                print(f"{len(answers)} cases, findings: {', '.join(found) or 'none'}", file=sys.stderr, flush=True)
    if failures:
        raise failures[0]
    found = [
        Finding(one["seed"], one["kind"], one["detail"], generate(one["seed"], plans, "written"))
        for one in sorted(answers, key=lambda one: int(one["seed"]))
        if one["kind"]
    ]
    return Result(
        len(answers),
        found,
        max((one["seconds"] for one in answers), default=0.0),
        max((one["peak"] for one in answers), default=0),
        max(baselines),
    )


def _worker(folder: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.py.fuzz_plan.worker", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def _ask(worker: subprocess.Popen[str], seed: int) -> None:
    assert worker.stdin is not None
    worker.stdin.write(json.dumps({"seed": seed}) + "\n")
    worker.stdin.flush()


def _answer(worker: subprocess.Popen[str]) -> dict[str, Any]:
    assert worker.stdout is not None
    line = worker.stdout.readline()
    if not line:
        raise RuntimeError(f"a worker ended with exit status {worker.wait()}")
    answer: dict[str, Any] = json.loads(line)
    return answer


def main(arguments: list[str]) -> int:
    """Runs the cases that the arguments ask for; 1 if one of them fails."""
    parser = argparse.ArgumentParser(description="Sets up plans with something wrong; each must be refused, or load.")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, help="how many cases; left out, as many as the time allows")
    parser.add_argument("--seconds", type=float, help="how long; left out, until all cases are run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--out", type=Path, metavar="DIR", help="a folder for the plans that are findings")
    options = parser.parse_args(arguments)
    count = options.count if options.count is not None or options.seconds is not None else 1000
    begun = time.monotonic()
    result = run(options.seed, count=count, seconds=options.seconds, jobs=options.jobs)
    for finding in result.findings:
        print(f"seed {finding.seed}: {finding.kind}: {finding.detail}")
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            path = options.out / f"{finding.kind}_{finding.seed}.plan"
            path.write_bytes(finding.plan)
            again = f"--seed {finding.seed} --count 1"
            path.with_suffix(".txt").write_text(f"bazel run //tests/py/fuzz_plan:fuzz -- {again}\n{finding.detail}\n")
    kinds = Counter(finding.kind for finding in result.findings)
    print(
        f"{result.cases} cases in {time.monotonic() - begun:.0f} s: "
        f"{', '.join(f'{n} of kind {kind}' for kind, n in kinds.items()) or 'no finding'}; "
        f"the slowest took {result.slowest:.1f} s, "
        f"the largest {(result.largest - result.baseline) >> 20} MiB more than a sound plan"
    )
    return 1 if result.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
