"""The judge of all tests of a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.upstream.judge import ABI, Judge


@pytest.fixture(scope="session")
def _judges() -> Iterator[list[Judge]]:
    """The judges that were started; all but the last have died."""
    torch.set_num_threads(1)  # as the judge does
    judges: list[Judge] = []
    yield judges
    if judges and judges[-1].is_alive():
        judges[-1].close()


@pytest.fixture
def judge(_judges: list[Judge], tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """Torch-TensorRT's runtime: started once, and again if a test ended it."""
    if not _judges or not _judges[-1].is_alive():
        _judges.append(Judge(tmp_path_factory.mktemp("judge")))
    assert _judges[-1].abi == ABI
    return _judges[-1]
