"""Compiles many architectures as they come, and says of each that does not compile why.

    bazel run --config=local_torch //bench/coverage -- --results coverage.json [--table coverage.md]

The packages of the extra "coverage" have to be installed beside torch, in the Python that Bazel uses:

    python3 -m pip install --no-deps --require-hashes -r toolchains/locks/coverage.lock

Each architecture is compiled for a dynamic batch in a process of its own, with a limit of time and of memory. The
results go to a JSON file, which is written after each: an interrupted run goes on where it stopped, with the same
command. ``--again failed`` compiles those again that failed, ``--again all`` everything.

The reference engine's result is compared to the module over the whole range. TensorRT-RTX builds without a GPU, and
--library names the folder of its libraries if it is not installed; on a machine with a GPU results are compared, too.
"""

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.coverage.architectures import ARCHITECTURES, Architecture
from bench.coverage.table import counts, markdown

BACKENDS = ("reference", "tensorrt_rtx", "tensorrt")

_MODULE = "bench.coverage.architectures"

Results = dict[str, dict[str, dict[str, Any]]]


def in_turn(architectures: Iterable[Architecture]) -> list[Architecture]:
    """One of each family, then the second of each, and so on: a run that is cut short has seen all families."""
    families: dict[str, list[Architecture]] = defaultdict(list)
    for one in architectures:
        families[one.family].append(one)
    rounds = itertools.zip_longest(*families.values())
    return [one for together in rounds for one in together if one is not None]


def compile_apart(
    name: str,
    backend: str,
    *,
    seconds: float,
    memory: int,
    library: str | None = None,
    module: str = _MODULE,
) -> dict[str, Any]:
    """The result of the worker for one architecture, also if the process was ended.

    Args:
        name: The architecture.
        backend: The backend.
        seconds: The time after which the process is ended.
        memory: The bytes that the process may have.
        library: The folder of the builder's libraries.
        module: The module that has the dict of architectures.
    """
    # The same packages as here, wherever the caller's launcher put them.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    environment.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        command = [sys.executable, "-m", "bench.coverage.worker", module, name, backend, str(result)]
        command += ["--memory", str(memory)] + (["--library", library] if library else [])
        with open(Path(folder, "log.txt"), "w+", encoding="utf-8") as log:
            process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                return {"ok": False, "stage": "time", "error": f"not done after {seconds:g} s", "seconds": seconds}
            finally:
                if process.poll() is None:  # also for Ctrl-C
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            if result.exists():
                return dict(json.loads(result.read_text(encoding="utf-8")))
            log.seek(0)
            lines = log.read().strip().splitlines()
        ended = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        return {"ok": False, "stage": "crash", "error": f"the process ended with {ended}: {(lines or [''])[-1]}",
                "seconds": 0.0}  # fmt: skip


def read_results(path: Path) -> Results:
    """The results of earlier runs; none if there is no file."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def write_whole(path: Path, text: str) -> None:
    """Writes a file under another name and moves it to its place."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def to_do(
    architectures: Iterable[Architecture], backends: Sequence[str], results: Mapping[str, Mapping[str, Any]], again: str
) -> list[tuple[Architecture, str]]:
    """The architectures and backends that have no result, or one that `again` asks to replace."""

    def wanted(result: Mapping[str, Any] | None) -> bool:
        return result is None or again == "all" or (again == "failed" and not result["ok"])

    return [
        (one, backend)
        for one in in_turn(architectures)
        for backend in backends
        if wanted(results.get(one.name, {}).get(backend))
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Compiles what is asked for and prints the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="the JSON file, which is extended")
    parser.add_argument("--table", type=Path, help="also write the table, as Markdown")
    parser.add_argument("--architectures", nargs="+", choices=list(ARCHITECTURES), metavar="NAME")
    families = sorted({one.family for one in ARCHITECTURES.values()})
    parser.add_argument("--families", nargs="+", choices=families, metavar="PACKAGE", help=", ".join(families))
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=["reference"], help=", ".join(BACKENDS))
    parser.add_argument("--library", help="the folder of TensorRT's or TensorRT-RTX's libraries")
    parser.add_argument("--again", choices=("none", "failed", "all"), default="none")
    parser.add_argument("--seconds", type=float, default=300.0, help="the time for one; 300 by default")
    parser.add_argument("--memory", type=float, default=8.0, help="the GiB of memory for one; 8 by default")
    parser.add_argument("--for", type=float, dest="all_seconds", default=float("inf"), metavar="SECONDS",
                        help="the time after which no other is begun")  # fmt: skip
    asked = parser.parse_args(arguments)
    # Bazel runs a program in a folder of its own.
    base = Path(os.environ.get("BUILD_WORKING_DIRECTORY", "."))
    path = base / asked.results
    chosen = [
        one
        for one in ARCHITECTURES.values()
        if (not asked.architectures or one.name in asked.architectures)
        and (not asked.families or one.family in asked.families)
    ]
    results = read_results(path)
    work = to_do(chosen, asked.backends, results, asked.again)
    end = time.monotonic() + asked.all_seconds
    for number, (one, backend) in enumerate(work, 1):
        if time.monotonic() > end:
            print(f"{len(work) - number + 1} of {len(work)} are left; the same command goes on", file=sys.stderr)
            break
        print(f"[{number}/{len(work)}] {one.name} {backend} … ", end="", file=sys.stderr, flush=True)
        memory = int(asked.memory * 2**30)
        result = compile_apart(one.name, backend, seconds=asked.seconds, memory=memory, library=asked.library)
        told = "ok" if result["ok"] else f"{result['stage']}: {result['error'].splitlines()[0][:150]}"
        print(f"{result['seconds']:.1f} s, {told}", file=sys.stderr, flush=True)
        results.setdefault(one.name, {})[backend] = result
        write_whole(path, json.dumps(results, indent=1, sort_keys=True) + "\n")
    families_of = {name: one.family for name, one in ARCHITECTURES.items()}
    print(counts(results, families_of))
    if asked.table:
        write_whole(base / asked.table, markdown(results, families_of))
    return 0


if __name__ == "__main__":
    sys.exit(main())
