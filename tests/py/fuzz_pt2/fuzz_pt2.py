"""Fuzzes the reader of exported programs: `bazel run //tests/py/fuzz_pt2 -- --seconds 600 --out /tmp/findings`."""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.py.fuzz_pt2.cases import run


def main(arguments: list[str]) -> int:
    """Runs the cases that the arguments ask for; 1 if there is a finding."""
    options = _options(arguments)
    outcomes: Counter[str] = Counter()
    last = options.seed
    begun = time.monotonic()
    for judged in run(_seeds(options), options.jobs, options.seconds):
        outcomes["finding" if judged.is_finding else judged.outcome] += 1
        last = max(last, judged.seed)
        if judged.is_finding:
            print(f"seed {judged.seed}: {judged.outcome}", flush=True)
            if options.out is not None:
                options.out.mkdir(parents=True, exist_ok=True)
                shutil.copy(judged.file, options.out / f"{judged.seed}.pt2")
                with (options.out / "findings.txt").open("a") as file:
                    file.write(f"{judged.seed}.pt2 (--seed {judged.seed} --count 1): {judged.outcome}\n")
    counted = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    seconds = time.monotonic() - begun
    print(f"{outcomes.total()} cases, seeds {options.seed} to {last}, in {seconds:.0f} s: {counted}")
    return 1 if outcomes["finding"] else 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Reads exported programs that were changed at random.")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, help="how many cases; left out, as many as the time allows")
    parser.add_argument("--seconds", type=float, help="how long; left out, until all cases are run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--out", type=Path, metavar="DIR", help="a folder for files that show a fault")
    return parser.parse_args(arguments)


def _seeds(options: argparse.Namespace) -> Iterator[int]:
    count = options.count if options.count is not None or options.seconds else 1000
    yield from itertools.islice(itertools.count(options.seed), count)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
