"""Sets plans up, each in a process of its own that is forked from this one, and says what became of it.

A line of JSON on standard input asks for a case, ``{"seed": 7}``; a line on standard output answers.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import torch_nacelle as nacelle
from tests.py.fuzz_plan.mutations import generate

PATIENCE = 10.0
"""Seconds of the processor's time that a case may take."""

MEMORY = 64 << 20
"""Bytes above those that a sound plan takes that a case may take, beside 8 times its own size."""

_WALL = 120.0  # for a case that waits; a busy machine gives a process little
_ADDRESS_SPACE = 4 << 30  # beyond what the process has: a case that takes it ends before the machine does


def set_up(plan: bytes) -> None:
    """Everything that is done to a plan before forward is called."""
    try:
        program = nacelle.embed(plan, input_names=["input_0"])
        engine = program.engine_trt_engine
        engine.inputs()
        engine.outputs()
        engine.get_engine_layer_info()
    except (nacelle.Error, RuntimeError) as error:
        if isinstance(error, nacelle.Error) or "torch_nacelle." in str(error):
            return
        raise


def judge(plan: bytes, baseline: int | None) -> tuple[str, str, int]:
    """The kind of fault ("" for none), what is known of it, and the most bytes of memory that the case took."""
    with tempfile.TemporaryDirectory() as folder:
        status, peak, output = _in_child(lambda: set_up(plan), folder)
        files = sorted(os.listdir(folder))
    limit = (baseline or 0) + MEMORY + 8 * len(plan)
    if status is None:
        return "hang", f"over {PATIENCE:g} s", peak
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGXCPU:
            return "hang", f"over {PATIENCE:g} s of the processor's time", peak
        return "crash", f"{signal.Signals(number).name}: {output[-400:]}", peak
    if os.WEXITSTATUS(status) != 0:
        return "exception", output[-800:], peak
    if files:
        return "file", f"wrote {', '.join(files)}", peak
    if baseline is not None and peak > limit:
        return "memory", f"{peak >> 20} MiB; the limit is {limit >> 20} MiB for {len(plan)} bytes", peak
    return "", "", peak


def _in_child(work: Callable[[], None], folder: str) -> tuple[int | None, int, str]:
    """The exit status of a process that does the work (None: it was stopped), the memory it took, and what it printed.

    A forked process begins with this one's memory, which grows from case to case and does not count.
    """
    read, write = os.pipe()
    before = _resident()
    child = os.fork()
    if child == 0:
        os.close(read)
        _child(work, folder, write)
    os.close(write)
    output, late = _drain(read, time.monotonic() + _WALL)
    if late:
        os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    return None if late else status, max(0, (usage.ru_maxrss << 10) - before), output


def _resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _child(work: Callable[[], None], folder: str, output: int) -> None:
    os.dup2(output, 1)
    os.dup2(output, 2)
    code = 1
    try:
        os.chdir(folder)
        os.environ["TMPDIR"] = folder
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + _ADDRESS_SPACE, size + _ADDRESS_SPACE))
        resource.setrlimit(resource.RLIMIT_CPU, (int(PATIENCE), int(PATIENCE) + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _drain(pipe: int, deadline: float) -> tuple[str, bool]:
    """The last part of the pipe's output until its end; True if it did not end in time."""
    kept = b""
    with os.fdopen(pipe, "rb", buffering=0) as stream:
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([stream], [], [], left)
            if not ready:
                break
            data = stream.read(1 << 16)
            if not data:
                return kept.decode(errors="replace"), False
            kept = (kept + data)[-4000:]
    return kept.decode(errors="replace"), True


def main(folder: str) -> None:
    """Answers requests about cases made from the plans in `folder`."""
    torch.set_num_threads(1)  # a forked process has no others
    plans = [path.read_bytes() for path in sorted(Path(folder).glob("*.plan"))]
    set_up(plans[0])  # what every process needs once is then there before the fork
    baseline = max(judge(plan, None)[2] for plan in plans)
    print(json.dumps({"ready": baseline}), flush=True)
    for line in sys.stdin:
        seed = json.loads(line)["seed"]
        begun = time.monotonic()
        plan = generate(seed, plans, "written")
        kind, detail, peak = judge(plan, baseline)
        answer: dict[str, Any] = {"seed": seed, "kind": kind, "detail": detail, "peak": peak, "size": len(plan)}
        print(json.dumps({**answer, "seconds": time.monotonic() - begun}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
