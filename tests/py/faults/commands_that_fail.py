"""Runs a command again and again in processes of its own, and lets another call of it fail each time.

Started with the library of failing_calls.cc preloaded. Each line of standard input is a JSON object, which names the
command. The answer is a line of JSON for each process, and an empty line. A process has the exit code (negative for a
signal, null if it did not end), which call failed, what was printed, and the sha256 of what is in the folder of the
destination. torch is imported once for all commands; each process is a fork.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import hashlib
import io
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import torch

import torch_nacelle
from nacelle_cli import app

KINDS = ("none", "write", "sync", "rename", "read", "allocation")  # in the order of failing_calls.cc
ERRORS = {
    "write": errno.ENOSPC,
    "sync": errno.EIO,
    "rename": errno.EIO,
    "read": errno.EIO,
    "allocation": errno.ENOMEM,
}
_NOT_REPORTED = 70
_SECONDS = 600.0  # ends what hangs

_calls = ctypes.CDLL(None)
_calls.failing_count.restype = ctypes.c_long


def main() -> None:
    """Reads what to do, and does it."""
    torch.set_num_threads(1)
    assert torch_nacelle.__version__
    for line in sys.stdin:
        _run_all(json.loads(line))
        print(flush=True)


def _run_all(job: dict[str, Any]) -> None:
    _warm_up(job)
    gc.collect()
    gc.freeze()  # so that a collection in a fork does not touch, and so copy, the memory of all that was imported
    for kind in job["kinds"]:
        counted = _run(job, kind, 0, forever=False)
        _print(counted)
        for number in sample(counted["count"], job["most"]):
            for forever in (False, True) if kind == "write" else (False,):  # a full disk stays full
                _print(_run(job, kind, number, forever))


def _warm_up(job: dict[str, Any]) -> None:
    """Runs the command here, so that no process has to import what it needs."""
    os.chdir(job["folder"])
    with contextlib.redirect_stdout(io.StringIO()):
        app.make_app()(job["arguments"], standalone_mode=False)


def sample(count: int, most: int) -> list[int]:
    """Returns numbers from 1 to `count`: all, or else `most` of them, the first and the last among them."""
    if count <= most:
        return list(range(1, count + 1))
    return sorted({1 + round(i * (count - 1) / (most - 1)) for i in range(most)})


def _print(outcome: dict[str, Any]) -> None:
    print(json.dumps(outcome), flush=True)


def _run(job: dict[str, Any], kind: str, number: int, forever: bool) -> dict[str, Any]:
    """Runs the command once; call `number` of the kind fails, or that and all after it, or none if it is 0."""
    destination = Path(job["folder"], job["destination"])
    for left in destination.parent.iterdir():
        left.unlink()
    destination.write_bytes(job["former"].encode())
    with tempfile.TemporaryFile() as printed:
        read_end, write_end = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(read_end)
            _child(job, kind, number, forever, printed.fileno(), write_end)
        os.close(write_end)
        code = _wait(process)
        count = os.read(read_end, 100)
        os.close(read_end)
        printed.seek(0)
        return {
            "kind": kind,
            "number": number,
            "forever": forever,
            "code": code,
            "count": int(count or b"-1"),
            "printed": printed.read().decode(errors="replace"),
            "files": {
                path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted(destination.parent.iterdir())
            },
        }


def _child(job: dict[str, Any], kind: str, number: int, forever: bool, printed: int, write_end: int) -> None:
    code: Any = _NOT_REPORTED
    try:
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        os.chdir(job["folder"])
        sys.argv = ["nacelle", *job["arguments"]]
        _calls.failing_arm(
            KINDS.index(kind), ctypes.c_long(number), ERRORS[kind], int(forever), os.fsencode(job["folder"])
        )
        app.main()
    except SystemExit as end:
        code = end.code
    finally:
        count = _calls.failing_count()
        if code == _NOT_REPORTED:
            traceback.print_exc()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os.write(write_end, str(count).encode())
        os._exit(code if isinstance(code, int) else 1)


def _wait(process: int) -> int | None:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


if __name__ == "__main__":
    main()
