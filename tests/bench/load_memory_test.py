"""One copy of a plan, and no more, is in host memory beside torch's own while a program is loaded."""

from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from bench import load_memory

SIZE = 64


@pytest.mark.parametrize("abi_version", [3, 9])
def test_one_copy_of_the_plan(tmp_path: Path, abi_version: int) -> None:
    made_up = load_memory.made_up(load_memory.plan_of(SIZE * load_memory.MIB))
    own, program = load_memory.measure(tmp_path, made_up, abi_version)
    assert own > SIZE  # torch reads the whole of it, so this measures something
    assert (program - own) / SIZE < 1.3


def test_a_real_plan_after_a_small_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    large, small = (
        nacelle.build_engine(torch.nn.Linear(width, width), [nacelle.Input(shape=(1, width))], backend="reference")
        for width in (2048, 4)
    )
    (tmp_path / "large.plan").write_bytes(large)
    (tmp_path / "small.plan").write_bytes(small)
    load_memory.main(plan=tmp_path / "large.plan", first=tmp_path / "small.plan", processes=1)
    rows = [line.split("│")[1:-1] for line in capsys.readouterr().out.splitlines() if "version" in line]
    assert [row[0].strip() for row in rows] == ["version 3", "version 9"]
    for _, own, rise, _ in rows:
        assert float(rise) > float(own) > len(large) / load_memory.MIB
