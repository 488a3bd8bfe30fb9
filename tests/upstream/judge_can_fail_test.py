"""The comparison fails if the two sides do not agree, and the judge is not Nacelle under another name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from tests.upstream import models
from tests.upstream.calling import call
from tests.upstream.comparing import assert_same, compare
from tests.upstream.judge import ABI, LIBRARIES, Judge
from tests.upstream.records import record_of, with_fields

ENGINE = "net_trt_engine"
INPUTS = [torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 0.25]])]


def _save(folder: Path, module: torch.nn.Module) -> Path:
    folder.mkdir()
    inputs = [nacelle.Input((1, 2), name="a"), nacelle.Input((1, 2), name="b")]
    made = folder / "program.ts"
    nacelle.compile(module, inputs, name="net", output_names=["d", "s"], abi_version=ABI).save(str(made))
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A program whose inputs and outputs have the same shapes, so that a wrong order is seen in the numbers alone."""
    return _save(tmp_path / "good", models.DifferenceAndSum())


def _compare_numbers(judge: Judge, judged: Path, ours: Path) -> None:
    assert_same(judge.load(judged).call(INPUTS, 2), call(torch.jit.load(str(ours)), INPUTS, 2, "cpu"))


def test_the_good_program_passes(judge: Judge, path: Path, tmp_path: Path) -> None:
    compare(judge, path, tmp_path, INPUTS)


@pytest.mark.parametrize("changes", [{"input_names": "b%a"}, {"output_names": "s%d"}], ids=str)
def test_a_wrong_order_fails_on_either_side(judge: Judge, path: Path, changes: dict[str, str | None]) -> None:
    changed = with_fields(path, ENGINE, changes)
    _compare_numbers(judge, path, path)
    with pytest.raises(AssertionError, match="not equal"):
        _compare_numbers(judge, path, changed)
    with pytest.raises(AssertionError, match="not equal"):
        _compare_numbers(judge, changed, path)
    _compare_numbers(judge, changed, changed)


def test_another_plan_fails(judge: Judge, path: Path, tmp_path: Path) -> None:
    """A plan that computes a number that is one bit larger."""
    other = _save(tmp_path / "other", models.DifferenceAndSum(one_bit_more=True))
    with pytest.raises(AssertionError, match="not equal"):
        _compare_numbers(judge, path, with_fields(path, ENGINE, {"engine": record_of(other, ENGINE)[3]}))


def test_another_record_is_another_file(judge: Judge, path: Path, tmp_path: Path) -> None:
    """The bytes of the files show what no number shows."""
    changed = with_fields(path, ENGINE, {"metadata": "other"})
    for side in ("judge", "nacelle"):
        (tmp_path / side).mkdir()
    judged = judge.load(path).save(tmp_path / "judge" / "program.ts").read_bytes()
    for source, same in ((path, True), (changed, False)):
        torch.jit.load(str(source)).save(str(tmp_path / "nacelle" / "program.ts"))
        assert ((tmp_path / "nacelle" / "program.ts").read_bytes() == judged) is same


def test_the_judges_process_has_the_real_runtime_and_nothing_of_ours(judge: Judge) -> None:
    loaded = judge.loaded_libraries()
    runtime = Path(LIBRARIES[-1])
    assert runtime.name == "libtorchtrt_runtime.so"
    assert str(runtime) in loaded
    assert [path for path in loaded if "nacelle" in Path(path).name or Path(path).name.startswith("_C.so")] == []
