"""A process that reads one case after another and tells how each went."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nacelle_core
from nacelle_cli.commands import inspect
from nacelle_cli.reading import programs
from nacelle_cli.reading.errors import ReadingError
from tests.py.fuzz_reader import cases, samples

MAX_SECONDS = 10.0


def allowed_memory(size: int) -> int:
    """Bytes of memory that reading a file of `size` bytes may take."""
    return (64 << 20) + 8 * size


def main(folder: Path, with_torch: bool) -> None:
    """Reads seeds from standard input, and answers each with a line of JSON."""
    known = cases.Samples(*samples.read(folder))
    path = folder / "cases" / f"{os.getpid()}.ts"
    path.parent.mkdir(exist_ok=True)
    ways: dict[str, Callable[[Path], object]] = {"inspect": _inspect, "digests": _digests}
    if with_torch:
        ways |= _torch_ways()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        case = cases.make(int(line), known)
        size = len(case.content)
        path.write_bytes(case.content)
        del case
        answer: dict[str, object] = {"outcome": "read", "findings": []}
        for name, way in ways.items():
            print(json.dumps({"begins": name}), flush=True)
            outcome, finding = _tried(way, path, size)
            if name == "inspect":
                answer["outcome"] = outcome
            if finding:
                answer["findings"] = [*answer["findings"], f"{name}: {finding}"]  # type: ignore[misc]
            if outcome != "read":
                break
        print(json.dumps(answer), flush=True)
    path.unlink(missing_ok=True)


def _inspect(path: Path) -> None:
    found = inspect.inspect_file(path)
    if found.error:
        raise ReadingError(found.error)
    json.dumps(found.facts(), default=str)


def _digests(path: Path) -> None:
    if programs.is_program(path):
        held = programs.read(path).held
        programs.hash_entries(path, (tensor.entry for tensor in held.values()))


def _torch_ways() -> dict[str, Callable[[Path], object]]:
    import torch_nacelle as nacelle

    def read(path: Path) -> None:
        if programs.is_program(path):
            for engine in nacelle.read(path).engines:
                str(engine)

    def load(path: Path) -> None:
        if programs.is_program(path):
            nacelle.load(path)

    return {"nacelle.read": read, "load": load}


def _tried(way: Callable[[Path], object], path: Path, size: int) -> tuple[str, str]:
    """The outcome, and the fault in it."""
    _trim()
    before = _status("VmRSS")
    _reset_peak()
    most = allowed_memory(size)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + 2 * most + (1 << 28), hard))
    begun = time.process_time()
    outcome, finding = "read", ""
    try:
        way(path)
    except nacelle_core.Error:
        outcome = "refused"
    except Exception as error:
        outcome = "refused"
        finding = f"{type(error).__name__}: {str(error)[:300]}{_place(error)}"
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    seconds = time.process_time() - begun
    grown = _status("VmHWM") - before
    if not finding and seconds > MAX_SECONDS:
        finding = f"slow: {seconds:.1f} s of CPU time"
    if not finding and grown > most:
        finding = f"memory: {grown >> 20} MiB for a file of {size} bytes; wanted at most {most >> 20}"
    return outcome, finding


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" ({trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno})" if trace else ""


def _trim() -> None:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _status(name: str) -> int:
    """Bytes of one of this process's figures."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) << 10
    raise RuntimeError(f"the system does not tell {name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] == "torch")
