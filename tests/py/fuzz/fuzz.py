"""Fuzzes what becomes of modules: `bazel run //tests/py/fuzz -- --seconds 600`."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.py.fuzz.modules import generate
from tests.py.fuzz.reproducer import reproducer
from tests.py.fuzz.runner import Failure, Judged, Worker, run, shrink, summary


def main(arguments: list[str]) -> int:
    """Runs the cases that the arguments ask for; 1 if one of them fails."""
    options = _options(arguments)
    kinds: Counter[tuple[str, str]] = Counter()
    judged: list[Judged] = []
    begun = time.monotonic()
    with Worker() as worker:
        for one in run(_seeds(options), options.jobs, seconds=options.seconds):
            judged.append(one)
            for finding in one.answer.findings:
                kinds[finding.identity] += 1
                print(f"seed {one.seed}: {finding.variant}: {finding.kind}: {finding.detail}", flush=True)
                if kinds[finding.identity] <= options.shrink:
                    _tell(shrink(worker, one.seed, finding), options.out)
    _sum_up(judged, sum(kinds.values()), time.monotonic() - begun)
    return 1 if kinds else 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compares programs with the made-up modules that they come from.")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, help="how many cases; left out, as many as the time allows")
    parser.add_argument("--seconds", type=float, help="how long; left out, until all cases are run")
    parser.add_argument("--only", type=int, metavar="SEED", help="this case alone, with its text")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--shrink", type=int, default=1, metavar="N", help="make N cases of each kind smaller")
    parser.add_argument("--out", type=Path, metavar="DIR", help="a folder for programs that reproduce a fault")
    return parser.parse_args(arguments)


def _seeds(options: argparse.Namespace) -> Iterator[int]:
    if options.only is not None:
        print(generate(options.only).text)
        yield options.only
        return
    count = options.count if options.count is not None or options.seconds else 500
    yield from itertools.islice(itertools.count(options.seed), count)


def _tell(failure: Failure, folder: Path | None) -> None:
    """Prints the smallest program that shows the fault, and writes it to the folder."""
    case = generate(failure.seed, frozenset(failure.without))
    text = reproducer(case, failure.finding)
    if folder is None:
        print(text)
        return
    folder.mkdir(parents=True, exist_ok=True)
    words = f"{failure.finding.variant}_{failure.finding.kind}".replace(" ", "_")
    path = folder / f"{words}_{failure.seed}.py"
    path.write_text(text)
    print(f"  smaller: {path}: {', '.join(case.features) or 'no feature'}", flush=True)


def _sum_up(judged: list[Judged], faults: int, seconds: float) -> None:
    for variant, outcomes in summary(judged).items():
        print(f"{variant}: {', '.join(f'{count} {outcome}' for outcome, count in sorted(outcomes.items()))}")
    seeds = [one.seed for one in judged] or [0]
    print(f"{len(judged)} cases, seeds {min(seeds)} to {max(seeds)}, in {seconds:.0f} s: {faults} faults")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
