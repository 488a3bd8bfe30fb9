"""One copy of a plan, and no more, is in host memory beside torch's own while a program is loaded."""

from pathlib import Path

import pytest

from bench import load_memory

SIZE = 64


@pytest.mark.parametrize("abi_version", [3, 9])
def test_one_copy_of_the_plan(tmp_path: Path, abi_version: int) -> None:
    plan = load_memory.plan_of(SIZE * load_memory.MIB)
    own, program = load_memory.measure(tmp_path, plan, abi_version, load_memory.made_up(plan))
    assert own > SIZE  # torch reads the whole of it, so this measures something
    assert (program - own) / SIZE < 1.3
