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
from contextlib import ExitStack
from pathlib import Path

import nacelle_core
from nacelle_cli.commands import inspect
from nacelle_cli.reading import archive_copies, kinds, pieces, programs
from nacelle_cli.reading.archives import Archive
from nacelle_cli.reading.containers import graphs
from nacelle_cli.reading.containers.container import Container
from nacelle_cli.reading.containers.package_engines import PackageEngines
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.pickle_edits import Text
from nacelle_cli.reading.programs import Program
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
    ways: dict[str, Callable[[Path], object]] = {
        "inspect": _inspect,
        "plans": _plans,
        "digests": _digests,
        "graph": _graph,
        "edits": _edits,
    }
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
    for left in (path, path.with_suffix(".copy")):
        left.unlink(missing_ok=True)


def _inspect(path: Path) -> None:
    found = inspect.inspect_file(path)
    if found.error:
        raise ReadingError(found.error)
    json.dumps(found.facts(), default=str)


def _plans(path: Path) -> None:
    """Reads the plans of a file that is no TorchScript program, as extract does."""
    with kinds.opened(path) as container:
        for engine in container.engines if container is not None else ():
            for _ in engine.stored.blocks() if engine.stored is not None and not engine.problem else ():
                pass


def _digests(path: Path) -> None:
    match kinds.read(path):
        case Program() | Container() as found if found.held:
            programs.hash_entries(path, (tensor.entry for tensor in found.held.values()))


def _graph(path: Path) -> None:
    """Reads the graph of an exported program, as inspect does."""
    with kinds.opened(path) as container:
        is_exported = container is not None and container.kind == "exported program"
    if is_exported:
        graphs.read(path)


def _edits(path: Path) -> None:
    """Writes the engines of a package anew in each layout, and compares them with those that the copy has."""
    if not programs.is_program(path):
        return
    copy = path.with_suffix(".copy")
    with ExitStack() as stack:
        archive = stack.enter_context(Archive(path))
        if not archive.package_kind():
            return
        engines = PackageEngines(archive, stack, nacelle_core.PLAN_START)
        changes = {}
        for _, engine in engines.sites:
            fields = [Text(pieces.of_bytes(field)) for field in engine.fields]
            fields[nacelle_core.ENGINE_FIELD] = engine.plan.text(engine.plan.stored.encoded)
            changes[engine] = fields
        for layout in (None, "custom", "opaque"):
            if layout == "opaque" and not all(engine.plan.stored.encoded for engine in changes):
                continue
            with copy.open("wb") as file:
                archive_copies.write(archive, engines.rewritten(changes, layout), file)
            if _described(copy) != _described(path):
                raise AssertionError(f"the copy in layout {layout} has other engines")


def _described(path: Path) -> list[tuple[str, str, list[bytes]]]:
    """The engines of a package, whatever their order in its archive."""
    found = kinds.read(path)
    return sorted(
        (engine.plan.sha256 if engine.plan else "", engine.problem, engine.record.fields() if engine.record else [])
        for engine in (found.engines if isinstance(found, Container) else [])
    )


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
