"""TensorRT's own log through Python's logging."""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.networks import TwoHeads, seeded

X = torch.rand(1, 3, 8, 8)
READING = "reading a plan of "


@pytest.fixture(scope="module")
def plan() -> bytes:
    return nacelle.build_engine(seeded(TwoHeads), [X], backend="reference")


@pytest.fixture(autouse=True)
def off() -> Iterator[None]:
    yield
    nacelle.set_log_level("off")


def wait_for(holds: Callable[[], bool]) -> None:
    """Messages come on a thread of their own."""
    deadline = time.monotonic() + 240
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert holds()


def run(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def test_messages_come_at_their_level(plan: bytes, caplog: pytest.LogCaptureFixture) -> None:
    nacelle.set_log_level("info")
    nacelle.embed(plan)
    wait_for(lambda: bool(caplog.records))
    record = caplog.records[0]
    assert (record.name, record.levelname) == ("torch_nacelle.tensorrt", "INFO")
    assert record.getMessage().startswith(READING)


def test_less_severe_messages_are_left_out(plan: bytes, caplog: pytest.LogCaptureFixture) -> None:
    nacelle.set_log_level("error")
    nacelle.embed(plan)
    with pytest.raises(nacelle.InputError, match=r"the reference engine .* said: "):
        nacelle.embed(plan[:-8])
    wait_for(lambda: bool(caplog.records))
    assert {record.levelname for record in caplog.records} == {"ERROR"}


def test_a_wrong_level_is_named_and_changes_nothing() -> None:
    nacelle.set_log_level("info")
    with pytest.raises(
        nacelle.InputError, match='the log level is "loud"; wanted verbose, info, warning, error or off'
    ):
        nacelle.set_log_level("loud")  # type: ignore[arg-type]
    assert logging.getLogger("torch_nacelle.tensorrt").level == logging.INFO


@pytest.mark.parametrize(("word", "shown"), [("info", True), ("verbose", True), ("warning", False), ("", False)])
def test_the_environment_sets_the_level(plan: bytes, word: str, shown: bool, tmp_path: Path) -> None:
    """Without a handler lines go to standard error; those that are left come when the process ends."""
    (tmp_path / "net.plan").write_bytes(plan)
    code = "import torch_nacelle as nacelle; nacelle.embed(open('net.plan', 'rb').read())"
    result = run(code, tmp_path, NACELLE_LOG=word)
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr.startswith(f"INFO:torch_nacelle.tensorrt:{READING}") if shown else result.stderr == ""


def test_a_wrong_word_in_the_environment_is_told_once(plan: bytes, tmp_path: Path) -> None:
    (tmp_path / "net.plan").write_bytes(plan)
    code = "import torch_nacelle as nacelle; [nacelle.embed(open('net.plan', 'rb').read()) for _ in range(3)]"
    result = run(code, tmp_path, NACELLE_LOG="loud")
    told = 'nacelle: the environment variable NACELLE_LOG is "loud"; wanted verbose, info, warning, error or off\n'
    assert (result.returncode, result.stderr) == (0, told)


def test_nothing_is_started_unless_it_is_asked_for(tmp_path: Path) -> None:
    result = run("import threading, torch_nacelle; print(threading.active_count())", tmp_path)
    assert (result.returncode, result.stdout) == (0, "1\n")


class Calls(logging.Handler):
    """A handler that calls programs and the library, which take locks of their own."""

    def __init__(self, program: torch.jit.ScriptModule) -> None:
        super().__init__()
        self.program = program
        self.seen = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.program(X)
        nacelle.read(self.program)
        self.seen += 1


def test_threads_that_log_and_threads_that_call(plan: bytes) -> None:
    program = nacelle.embed(plan)
    handler = Calls(program)
    logger = logging.getLogger("torch_nacelle.tensorrt")
    logger.addHandler(handler)
    nacelle.set_log_level("info")
    models = [nacelle.build_engine(seeded(TwoHeads), [X], backend="reference", name=f"net{i}") for i in range(4)]

    def load(one: bytes) -> None:
        for _ in range(5):
            nacelle.embed(one)
            nacelle.configure(program, max_contexts=8)  # sets the engine up again, under its locks

    def call() -> None:
        for _ in range(20):
            program(X)

    try:
        threads = [threading.Thread(target=load, args=(one,)) for one in models]
        threads += [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_for(lambda: handler.seen >= 20)
    finally:
        logger.removeHandler(handler)


AT_THE_END = """
import logging, threading
import torch_nacelle as nacelle
plan = open("net.plan", "rb").read()
seen = threading.Semaphore(0)
class Count(logging.Handler):
    def emit(self, record):
        seen.release()
logging.getLogger("torch_nacelle.tensorrt").addHandler(Count())
nacelle.set_log_level("verbose")
def work():
    while True:
        nacelle.embed(plan)
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
for _ in range(5):
    seen.acquire()
"""


def test_the_interpreter_ends_while_threads_log(plan: bytes, tmp_path: Path) -> None:
    (tmp_path / "net.plan").write_bytes(plan)
    for _ in range(3):
        result = run(AT_THE_END, tmp_path)
        assert (result.returncode, result.stderr) == (0, "")


IN_A_CHILD = """
import os
import torch_nacelle as nacelle
plan = open("net.plan", "rb").read()
nacelle.set_log_level("info")
child = os.fork()
nacelle.embed(plan)
if child:
    assert os.waitpid(child, 0)[1] == 0
"""


def test_a_process_that_was_forked_has_a_log_too(plan: bytes, tmp_path: Path) -> None:
    (tmp_path / "net.plan").write_bytes(plan)
    result = run(IN_A_CHILD, tmp_path)
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr.count(READING) == 2
