"""Fixtures of the tests: a logger that refuses unexpected messages, a runtime, an engine, a context."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance import plans
from tests.conformance.bindings import trt
from tests.conformance.clients import Log


@pytest.fixture
def log() -> Iterator[Log]:
    made = Log()
    yield made
    assert made.messages == [], "messages that the test did not expect"


@pytest.fixture
def runtime(log: Log) -> Any:
    made = trt.Runtime(log)
    assert made is not None
    return made


@pytest.fixture
def engine(runtime: Any) -> Any:
    """The engine of plans.scale()."""
    made = runtime.deserialize_cuda_engine(plans.scale())
    assert made is not None
    return made


@pytest.fixture
def context(engine: Any) -> Any:
    """An execution context of plans.scale()."""
    made = engine.create_execution_context()
    assert made is not None
    return made
