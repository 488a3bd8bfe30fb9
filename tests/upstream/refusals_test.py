"""Bad records and bad inputs: the refusals of Torch-TensorRT's runtime with their words, and Nacelle's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle
from tests.upstream import models
from tests.upstream.calling import call
from tests.upstream.comparing import assert_same, compare
from tests.upstream.judge import ABI, DiedError, Judge, RefusedError
from tests.upstream.records import FIELDS, record_of, with_fields

ENGINE = "net_trt_engine"
INPUTS = [torch.ones(2, 3), torch.full((2, 3), 2.0)]
LAST_FIELD = list(FIELDS)[-1 if ABI == 10 else -2]

Changes = dict[str, str | None]


def _save(folder: Path, abi_version: int) -> Path:
    inputs = [nacelle.Input((2, 3), name="a"), nacelle.Input((2, 3), name="b")]
    made = folder / f"program_{abi_version}.ts"
    nacelle.compile(models.Difference(), inputs, name="net", abi_version=abi_version).save(str(made))
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A good program of one engine that takes `a` and `b` and gives a - 2b."""
    return _save(tmp_path, ABI)


def _judges_words(judge: Judge, path: Path, inputs: Sequence[Any]) -> str:
    """Returns why the judge does not load or does not call a program."""
    with pytest.raises(RefusedError) as refused:
        judge.load(path).call(inputs)
    return str(refused.value)


def _our_words(path: Path, inputs: Sequence[Any]) -> str:
    """The same for Nacelle."""
    with pytest.raises((RuntimeError, nacelle.Error)) as refused:
        call(torch.jit.load(str(path)), inputs, 1, "cpu")
    return str(refused.value)


BOTH_REFUSE: list[tuple[Changes, str, str]] = [
    (
        {"abi_version": "11"},
        f"targets a different Torch-TensorRT ABI Version (11) than the Torch-TensorRT Runtime ABI Version ({ABI})",
        "record of ABI version 11; versions 3 to 10 can be read",
    ),
    ({LAST_FIELD: None}, "targets an incompatible Torch-TensorRT ABI", f"record of ABI version {ABI} has "),
    ({"engine": "AAAA"}, "Unable to deserialize the TensorRT engine", "not a plan that is known: 3 bytes"),
    ({"device": "0%0"}, "Unable to deserializable program target device infomation", "field 2 (device)"),
    (
        {"input_names": "a%c"},
        "Could not find a TensorRT engine binding for input named c",
        "its record lists the inputs a, c, its plan has a, b",
    ),
    (
        {"output_names": "c"},
        "Could not find a TensorRT engine binding for output named c",
        "its record lists the outputs c, its plan has output_0",
    ),
    ({"hardware_compatible": "yes"}, "stoi", 'field 6 (hardware_compatible): flag is "yes"; wanted 0 or 1'),
    ({"requires_output_allocator": "x"}, "stoi", 'field 9 (requires_output_allocator): flag is "x"; wanted 0 or 1'),
    (
        {"target_platform": "linux_riscv"},
        {9: "built for: unknown, current platform: linux_x86_64", 10: "target platform is unknown"}[ABI],
        'field 8 (target_platform): platform is "linux_riscv"',
    ),
]


@pytest.mark.parametrize(("changes", "judges", "ours"), BOTH_REFUSE, ids=lambda value: str(value)[:40])
def test_records_that_both_refuse(judge: Judge, path: Path, changes: Changes, judges: str, ours: str) -> None:
    changed = with_fields(path, ENGINE, changes)
    assert judges in _judges_words(judge, changed, INPUTS)
    assert ours in _our_words(changed, INPUTS)


# A plan of the reference engine runs on any machine's CPU, whichever device and platform its record names.
JUDGE_REFUSES: list[tuple[Changes, str]] = [
    (
        {"target_platform": "unknown"},
        {9: "built for: unknown, current platform: linux_x86_64", 10: "target platform is unknown"}[ABI],
    ),
    ({"target_platform": "linux_aarch64"}, "built for: linux_aarch64, current "),
    ({"device": "0%9%0%0%NVIDIA H100 80GB HBM3"}, "No compatible device was found for instantiating"),
    ({"device": "0%0%0%1%cpu"}, "No compatible device was found for instantiating"),
]


@pytest.mark.parametrize(("changes", "judges"), JUDGE_REFUSES, ids=str)
def test_records_that_the_judge_alone_refuses(judge: Judge, path: Path, changes: Changes, judges: str) -> None:
    changed = with_fields(path, ENGINE, changes)
    assert judges in _judges_words(judge, changed, INPUTS)
    assert_same(judge.load(path).call(INPUTS), call(torch.jit.load(str(changed)), INPUTS, 1, "cpu"))


# The judge reads 2 as a flag that is set, and 7 as an allocation that is dynamic, and writes 1 for either.
NACELLE_REFUSES: list[tuple[Changes, str]] = [
    ({"requires_output_allocator": "2"}, 'flag is "2"; wanted 0 or 1'),
    ({"resource_allocation": "7"}, 'strategy is "7"; wanted 0 (static) or 1 (dynamic)'),
]


@pytest.mark.parametrize(("changes", "ours"), NACELLE_REFUSES, ids=str)
def test_records_that_nacelle_alone_refuses(
    judge: Judge, path: Path, tmp_path: Path, changes: Changes, ours: str
) -> None:
    changed = with_fields(path, ENGINE, changes)
    judged = judge.load(changed)
    assert_same(judged.call(INPUTS), judge.load(path).call(INPUTS))
    (field,) = changes
    assert record_of(judged.save(tmp_path / "saved.ts"), ENGINE)[FIELDS[field]] == "1"
    assert ours in _our_words(changed, INPUTS)


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": "opaque text"},
        {"name": ""},
        {"hardware_compatible": "1"},
        {"resource_allocation": "1"},
        {"input_names": "b%a"},
    ],
    ids=str,
)
def test_records_that_neither_refuses(judge: Judge, path: Path, tmp_path: Path, changes: Changes) -> None:
    compare(judge, with_fields(path, ENGINE, changes), tmp_path, INPUTS)


def test_the_judge_reads_its_own_version_of_the_record(judge: Judge, tmp_path: Path) -> None:
    compare(judge, _save(tmp_path, ABI), tmp_path, INPUTS)
    other = _save(tmp_path, {9: 10, 10: 9}[ABI])
    assert "targets an incompatible Torch-TensorRT ABI" in _judges_words(judge, other, INPUTS)
    torch.testing.assert_close(torch.jit.load(str(other))(*INPUTS), INPUTS[0] - 2 * INPUTS[1])


def test_the_judge_writes_the_device_that_it_runs_on(judge: Judge, path: Path, tmp_path: Path) -> None:
    """Nacelle writes the one that it read."""
    changed = with_fields(path, ENGINE, {"device": "0%0%0%0%another name"})
    judged = judge.load(changed)
    assert_same(judged.call(INPUTS), call(torch.jit.load(str(changed)), INPUTS, 1, "cpu"))
    assert record_of(judged.save(tmp_path / "saved.ts"), ENGINE)[FIELDS["device"]] == "0%0%0%0%cpu"
    assert record_of(changed, ENGINE)[FIELDS["device"]] == "0%0%0%0%another name"


def test_an_engine_for_several_devices(judge: Judge, path: Path) -> None:
    """Without a process group of NCCL, 2.13 refuses the call and 2.14 warns."""
    changed = with_fields(path, ENGINE, {"requires_native_multi_device": "1"})
    judge.log()
    if ABI == 9:
        assert "Could not resolve the process group" in _judges_words(judge, changed, INPUTS)
    else:
        judge.load(changed).call(INPUTS)
    assert "no NCCL process group was found" in judge.log()


BAD_INPUTS: list[tuple[list[torch.Tensor], str, str]] = [
    (
        [torch.ones(2, 4), torch.ones(2, 4)],
        "Error while setting the input shape",
        'input "a" (number 0) of engine "net" has the shape [2, 4]: dimension 1 is 4; wanted 3',
    ),
    ([torch.ones(6), torch.ones(2, 3)], "Error while setting the input shape", "has 1 dimensions, [6]; wanted 2"),
    (
        [torch.ones(2, 3).double(), torch.ones(2, 3)],
        "Expected input tensors to have type Float, found type double",
        "has dtype float64; wanted float32",
    ),
    (
        [torch.ones(2, 3), torch.ones(2, 3).long()],
        "Expected input tensors to have type Float, found type long int",
        "has dtype int64; wanted float32",
    ),
    ([torch.ones(2, 3)], "missing value for argument 'input_1'", "missing value for argument 'input_1'"),
    ([torch.ones(2, 3)] * 3, "received 4 argument(s)", "received 4 argument(s)"),
]


@pytest.mark.parametrize(("inputs", "judges", "ours"), BAD_INPUTS, ids=lambda value: str(value)[:40])
def test_inputs_that_both_refuse(judge: Judge, path: Path, inputs: list[torch.Tensor], judges: str, ours: str) -> None:
    judged, our = judge.load(path), torch.jit.load(str(path))
    with pytest.raises(RefusedError) as refused:
        judged.call(inputs)
    assert judges in str(refused.value)
    with pytest.raises((RuntimeError, nacelle.Error)) as our_refusal:
        call(our, inputs, 1, "cpu")
    assert ours in str(our_refusal.value)
    assert_same(judged.call(INPUTS), call(our, INPUTS, 1, "cpu"))  # the next call is as if nothing had been


def test_a_dtype_that_the_judge_does_not_know(judge: Judge, tmp_path: Path) -> None:
    path = tmp_path / "program.ts"
    nacelle.compile(models.Flipped(), [nacelle.Input((3,), torch.uint8)], abi_version=ABI).save(str(path))
    inputs = [torch.tensor([1, 2, 3], dtype=torch.uint8)]
    assert "Unsupported TensorRT data type" in _judges_words(judge, path, inputs)
    assert torch.jit.load(str(path))(*inputs).tolist() == [3, 2, 1]


def test_a_file_that_is_cut_off(judge: Judge, path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])
    assert "PytorchStreamReader failed" in _judges_words(judge, path, INPUTS)
    assert "PytorchStreamReader failed" in _our_words(path, INPUTS)


# The last test: it may end the judge's process.
def test_the_judge_does_not_read_version_3(judge: Judge, tmp_path: Path) -> None:
    """It takes fields by number before it counts them: a record of four ends in an error or a crash."""
    path = _save(tmp_path, 3)
    with pytest.raises((RefusedError, DiedError)):
        judge.load(path)
    torch.testing.assert_close(torch.jit.load(str(path))(*INPUTS), INPUTS[0] - 2 * INPUTS[1])
