"""Outputs whose shape depends on data, which a record has to say to Torch-TensorRT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle
from tests.upstream import models
from tests.upstream.comparing import compare
from tests.upstream.judge import ABI, Judge, RefusedError
from tests.upstream.records import FIELDS, record_of, with_fields

ENGINE = "net_trt_engine"


def _program(folder: Path, module: torch.nn.Module, inputs: list[Any], abi_version: int = ABI) -> Path:
    """A program of one engine as it is compiled: its record says what the judge needs."""
    path = folder / "program.ts"
    nacelle.compile(module, inputs, name="net", abi_version=abi_version).save(str(path))
    return path


def _with_flag(path: Path, flag: str) -> Path:
    return with_fields(path, ENGINE, {"requires_output_allocator": flag})


def test_nonzero(judge: Judge, tmp_path: Path) -> None:
    path = _program(tmp_path, models.Where(), [nacelle.Input((3, 4))])
    some = torch.tensor([[0.0, 1, 0, 2], [0, 0, 0, 0], [3, 0, 0, 0]])
    assert record_of(path, ENGINE)[FIELDS["requires_output_allocator"]] == "1"
    called = compare(judge, path, tmp_path, [torch.ones(3, 4)], [torch.zeros(3, 4)], [some])
    assert called.outputs[0][0].tolist() == [[0, 1], [0, 3], [2, 0]]


def test_nonzero_of_dynamic_shapes(judge: Judge, tmp_path: Path) -> None:
    shapes = nacelle.Input(min=(1, 4), opt=(3, 4), max=(9, 4))
    path = _program(tmp_path, models.Where(), [shapes])
    compare(judge, path, tmp_path, *([torch.eye(9, 4)[:rows].contiguous()] for rows in (1, 9, 5)))


def test_an_input_whose_values_decide_about_shapes(judge: Judge, tmp_path: Path) -> None:
    """The reference engine has no shape tensors as TensorRT has: to its clients such an output depends on data."""
    inputs = [
        nacelle.Input((12,)),
        nacelle.Input((2,), torch.int64, min_values=(1, 1), opt_values=(3, 4), max_values=(12, 12)),
    ]
    path = _program(tmp_path, models.Reshaped(), inputs)
    sizes = ([3, 4], [12, 1], [2, 6])
    called = compare(judge, path, tmp_path, *([torch.arange(12.0), torch.tensor(size)] for size in sizes))
    assert called.outputs[0].shape == (2, 6)


def test_without_the_flag_the_judge_asks_for_a_negative_dimension(judge: Judge, tmp_path: Path) -> None:
    """Nacelle asks the plan and needs no flag."""
    path = _with_flag(_program(tmp_path, models.Where(), [nacelle.Input((3, 4))]), "0")
    with pytest.raises(RefusedError, match="Trying to create tensor with negative dimension -1"):
        judge.load(path).call([torch.ones(3, 4)])
    where, _ = torch.jit.load(str(path))(torch.ones(3, 4))
    assert where.shape == (12, 2)


def test_the_flag_where_no_output_needs_it(judge: Judge, tmp_path: Path) -> None:
    inputs = [nacelle.Input((2, 3)), nacelle.Input((2, 3))]
    path = _program(tmp_path, models.Difference(), inputs)
    assert record_of(path, ENGINE)[FIELDS["requires_output_allocator"]] == "0"
    path = _with_flag(path, "1")
    compare(judge, path, tmp_path, [torch.ones(2, 3), torch.rand(2, 3)])


def test_a_converted_program(judge: Judge, tmp_path: Path) -> None:
    """A record of version 3 says nothing of outputs; the plan does."""
    path = _program(tmp_path, models.Where(), [nacelle.Input((3, 4))], abi_version=3)
    nacelle.convert(path, path, abi_version=ABI)
    compare(judge, path, tmp_path, [torch.ones(3, 4)], [torch.eye(3, 4)])
