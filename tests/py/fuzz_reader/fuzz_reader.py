"""Fuzzes what reads programs and plans: `bazel run //tests/py/fuzz_reader -- --seconds 600 --out DIR`.

A finding is a crash, an exception that is not the reader's own, more than 10 s of CPU time, or more memory than 64 MiB
and 8 times the file. Each is written to a file, with a line that tells how to make it again.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.py.fuzz_reader import cases, runner, samples


def main(arguments: list[str]) -> int:
    """Runs the cases that the arguments ask for; 1 if one of them has a finding."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        samples.make(folder)
        results = []
        begun = time.monotonic()
        for result in runner.run(_seeds(options), folder, options.jobs, options.torch):
            results.append(result)
            for finding in result.findings:
                print(f"seed {result.seed}: {finding}", flush=True)
            if result.findings and options.out is not None:
                _keep(options.out, result, folder)
        seeds = [result.seed for result in results] or [0]
        print(
            f"{runner.summary(results)}; seeds {min(seeds)} to {max(seeds)}, {time.monotonic() - begun:.0f} s, "
            f"{options.jobs} jobs"
        )
    return 1 if any(result.findings for result in results) else 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Reads damaged and made-up programs.")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, help="how many cases; left out, as many as the time allows")
    parser.add_argument("--seconds", type=float, help="how long; left out, until all cases are run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--torch", action="store_true", help="also nacelle.read and torch.jit.load after its checks")
    parser.add_argument("--out", type=Path, metavar="DIR", help="a folder for the files with findings")
    return parser.parse_args(arguments)


def _seeds(options: argparse.Namespace) -> Iterator[int]:
    """Seeds until the time is over."""
    count = options.count if options.count is not None or options.seconds else 1000
    end = time.monotonic() + options.seconds if options.seconds else None
    for seed in itertools.islice(itertools.count(options.seed), count):
        if end is not None and time.monotonic() > end:
            return
        yield seed


def _keep(out: Path, result: runner.Result, folder: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    case = cases.make(result.seed, cases.Samples(*samples.read(folder)))
    path = out / f"seed_{result.seed}.{'ts' if case.is_program else 'plan'}"
    path.write_bytes(case.content)
    again = f"again: bazel run //tests/py/fuzz_reader -- --seed {result.seed} --count 1"
    with (out / "findings.txt").open("a") as file:
        file.write(f"{path.name}: {'; '.join(result.findings)}\n  {' | '.join(case.steps)[:2000]}\n  {again}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
