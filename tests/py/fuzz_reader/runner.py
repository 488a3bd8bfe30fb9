"""Runs cases in worker processes; one that crashes or hangs costs a worker and is a finding."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE = 120.0
"""Seconds without a word from a worker after which a case counts as one that hangs, also on a busy machine."""

_KILLED = "exit status -9"


@dataclass
class Result:
    """The outcome of a case."""

    seed: int
    outcome: str
    findings: list[str] = field(default_factory=list)


class Worker:
    """A worker process, started anew if it died."""

    def __init__(self, folder: Path, with_torch: bool) -> None:
        self._command = [
            sys.executable,
            "-m",
            "tests.py.fuzz_reader.worker",
            str(folder),
            "torch" if with_torch else "",
        ]
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()

    def run(self, seed: int) -> Result:
        """Tries one case; again if the system killed the worker, which it does also for what others use."""
        result = self._run(seed)
        return self._run(seed) if result.findings and result.findings[0].endswith(_KILLED) else result

    def _run(self, seed: int) -> Result:
        process = self._process or self._start()
        way = "maker"
        try:
            assert process.stdin is not None
            process.stdin.write(f"{seed}\n")
            process.stdin.flush()
            while (said := self._next()) is not None:
                if "outcome" in said:
                    return Result(seed, said["outcome"], said["findings"])
                way = said["begins"]
        except BrokenPipeError:
            pass
        except queue.Empty:
            self.stop()
            return Result(seed, "hung", [f"{way}: hang: no answer for {PATIENCE:g} s"])
        status = process.wait()
        self.stop()
        return Result(seed, "crashed", [f"{way}: crash: exit status {status}"])

    def stop(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _start(self) -> subprocess.Popen[str]:
        self._lines = queue.Queue()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        )
        threading.Thread(target=_pass_on, args=(self._process, self._lines), daemon=True).start()
        if (said := self._next()) is None or "ready" not in said:
            raise RuntimeError("the worker does not start")
        return self._process

    def _next(self) -> dict[str, Any] | None:
        line = self._lines.get(timeout=PATIENCE)
        return None if line is None else json.loads(line)


def _pass_on(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            lines.put(line)
    lines.put(None)


def run(seeds: Iterator[int], folder: Path, jobs: int, with_torch: bool) -> Iterator[Result]:
    """The results, in the order in which they come."""
    results: queue.Queue[Result | BaseException | None] = queue.Queue(maxsize=4 * jobs)
    lock = threading.Lock()

    def work() -> None:
        worker = Worker(folder, with_torch)
        try:
            while True:
                with lock:
                    seed = next(seeds, None)
                if seed is None:
                    break
                results.put(worker.run(seed))
            results.put(None)
        except BaseException as error:
            results.put(error)
        finally:
            worker.stop()

    for _ in range(jobs):
        threading.Thread(target=work, daemon=True).start()
    left = jobs
    while left:
        result = results.get()
        if isinstance(result, BaseException):
            raise result
        if result is None:
            left -= 1
        else:
            yield result


def summary(results: list[Result]) -> str:
    """A line for a person."""
    outcomes = Counter(result.outcome for result in results)
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    return f"{len(results)} cases ({told}), {sum(bool(result.findings) for result in results)} with findings"
