"""The tests of this folder fail if the library's slots are wrong."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

import pytest

from tests.conformance import plans

BODY = [f"tests/conformance/{name}_test.py" for name in ("library", "engine", "context", "callbacks")]

# Two methods: they are swapped. One: it and all after it in its class move by one slot (wrong_slots.cc).
MISTAKES = (
    "Runtime::deserializeCudaEngine",
    "Runtime::getLogger Runtime::getMaxThreads",
    "CudaEngine::createExecutionContext",
    "CudaEngine::getNbIOTensors CudaEngine::getIOTensorName",
    "CudaEngine::getTensorShape CudaEngine::getTensorDataType",
    "ExecutionContext::setInputShape",
    "ExecutionContext::setTensorAddress ExecutionContext::getTensorAddress",
    "ExecutionContext::enqueueV3",
    "HostMemory::data HostMemory::size",
    "EngineInspector::getLayerInformation EngineInspector::getEngineInformation",
    "Logger::log",
    "ErrorRecorder::reportError",
    "Profiler::reportLayerTime",
    "OutputAllocator::notifyShape",
)

SECONDS = 300


class Forks:
    """A plugin that runs the collected tests in a fork for each mistake, until one of them fails.

    The library makes its tables at its first use, which is in the fork.
    """

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = mistakes
        self.in_fork = False
        self.ends: dict[str, int] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        assert session.items
        for mistake in self.mistakes:
            child = os.fork()
            if child == 0:
                self.in_fork = True
                os.environ["NACELLE_WRONG_SLOTS"] = mistake
                signal.alarm(SECONDS)  # what is called by mistake may never return
                return None  # pytest goes on, and runs the tests
            self.ends[mistake] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return True


@pytest.fixture(scope="module")
def ends() -> dict[str, int]:
    """The end of the tests with each mistake: pytest's exit status, or below 0 the signal that ended it."""
    plans.build_all()
    forks = Forks(("", *MISTAKES))
    options = ["-x", "-q", "--tb=line", "-p", "no:cacheprovider", "-p", "no:faulthandler", "--import-mode=importlib"]
    status = pytest.main([*options, *BODY], plugins=[forks])
    if forks.in_fork:
        os._exit(status)
    return forks.ends


def test_right_slots_pass(ends: dict[str, int]) -> None:
    assert ends[""] == 0


@pytest.mark.parametrize("mistake", MISTAKES)
def test_wrong_slots_fail(ends: dict[str, int], mistake: str) -> None:
    assert ends[mistake] == 1 or ends[mistake] < 0  # tests failed, or crashed
