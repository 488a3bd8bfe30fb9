"""Runs cases, each in a forked process with limits, and says what went wrong in them."""

from __future__ import annotations

import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import torch

from nacelle_cli.arguments.models import load_model
from nacelle_cli.failures import CommandError
from nacelle_cli.reading.errors import ReadingError
from tests.py.fuzz_pt2.mutations import Mutator
from tests.py.fuzz_pt2.seeds import Members, seeds

CPU_SECONDS = 10
_WALL_SECONDS = 300
_MEMORY = 64 << 20
_TIMES_FILE = 8
_MAX_MEMORY = 8 << 30


@dataclass(frozen=True)
class Judged:
    """A case and what became of it: the outcome is ``read``, ``refused``, or begins with ``FINDING``."""

    seed: int
    outcome: str
    file: Path

    @property
    def is_finding(self) -> bool:
        """True if the reader did what it must not."""
        return self.outcome.startswith("FINDING")


def make(seed: int, folder: Path, programs: list[Members]) -> Path:
    """Writes a case's file, and the module that its Python would import."""
    folder.mkdir()
    marker = folder / "marker"
    (folder / "strange.py").write_text(f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n")
    path = folder / "case.pt2"
    path.write_bytes(Mutator(seed, marker).file(programs))
    return path


def run(cases: Iterable[int], jobs: int, seconds: float | None = None) -> Iterator[Judged]:
    """Runs cases, `jobs` at a time, until there are no more or the time is over.

    A file is gone when the next case is asked for: copy what should stay.
    """
    torch.set_num_threads(1)
    programs = seeds()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        _warm_up(root, programs)
        begun = time.monotonic()
        running: list[_Running] = []
        for seed in cases:
            if seconds is not None and time.monotonic() - begun > seconds:
                break
            path = make(seed, root / f"{seed}", programs)
            running.append(_Running(seed, path))
            while len(running) >= jobs:
                yield from _ended(running)
        while running:
            yield from _ended(running)


def _warm_up(root: Path, programs: list[Members]) -> None:
    """Imports and caches what the first program needs, once for all cases."""
    for i, members in enumerate(programs):
        path = root / f"warm_{i}.pt2"
        path.write_bytes(Mutator.unchanged(members))
        load_model(path)


def _ended(running: list[_Running]) -> Iterator[Judged]:
    select.select([each.answers for each in running], [], [], 1)
    for each in list(running):
        judged = each.poll()
        if judged is not None:
            running.remove(each)
            yield judged
            shutil.rmtree(each.path.parent, ignore_errors=True)


class _Running:
    """A case in its process."""

    def __init__(self, seed: int, path: Path) -> None:
        self.seed = seed
        self.path = path
        self._begun = time.monotonic()
        reading, writing = os.pipe()
        self.answers: IO[str] = os.fdopen(reading)
        self._process = os.fork()
        if self._process == 0:
            os.close(reading)
            _judge(path, writing)
        os.close(writing)

    def poll(self) -> Judged | None:
        """The error of the case; None if it runs."""
        late = time.monotonic() - self._begun > _WALL_SECONDS
        if late:
            os.kill(self._process, signal.SIGKILL)
        process, status = os.waitpid(self._process, 0 if late else os.WNOHANG)
        if process == 0:
            return None
        outcome = self.answers.read().strip()
        self.answers.close()
        if late or (os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)):
            outcome = f"FINDING over {CPU_SECONDS} s"
        elif os.WIFSIGNALED(status):
            outcome = f"FINDING crash: signal {os.WTERMSIG(status)}"
        elif not outcome:
            outcome = f"FINDING ended without a word, status {status}"
        if (self.path.parent / "marker").exists():
            outcome = f"FINDING Python of the file ran ({outcome})"
        return Judged(self.seed, outcome, self.path)


def _judge(path: Path, answers: int) -> None:
    """Reads the file in this process, and ends it."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.chdir(path.parent)
    sys.path.insert(0, str(path.parent))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _MAX_MEMORY,) * 2)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # forgets the greatest use of memory so far
    before = _most_memory()
    outcome = "read"
    try:
        load_model(path)
    except (CommandError, ReadingError):
        outcome = "refused"
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        outcome = f"FINDING raises {type(error).__name__}: {str(error)[:200]!r} in {place.filename}:{place.lineno}"
    more = _most_memory() - before
    if more > _MEMORY + _TIMES_FILE * path.stat().st_size:
        outcome = f"FINDING {more >> 20} MiB of memory ({outcome})"
    os.write(answers, outcome.encode())
    os._exit(0)


def _most_memory() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0
