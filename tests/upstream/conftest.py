"""The judge of all tests of a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.upstream.judge import ABI, Judge


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """Torch-TensorRT's runtime, started once."""
    made = Judge(tmp_path_factory.mktemp("judge"))
    assert made.abi == ABI
    yield made
    made.close()
