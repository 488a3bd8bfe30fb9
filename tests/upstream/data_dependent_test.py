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
from tests.upstream.records import with_fields


def _program(folder: Path, module: torch.nn.Module, inputs: list[Any], flag: str) -> Path:
    """A program of one engine whose record says `flag` of the output allocator."""
    path = folder / "program.ts"
    nacelle.compile(module, inputs, name="net", abi_version=ABI).save(str(path))
    return with_fields(path, "net_trt_engine", {"requires_output_allocator": flag})


def test_nonzero(judge: Judge, tmp_path: Path) -> None:
    path = _program(tmp_path, models.Where(), [nacelle.Input((3, 4))], "1")
    some = torch.tensor([[0.0, 1, 0, 2], [0, 0, 0, 0], [3, 0, 0, 0]])
    called = compare(judge, path, tmp_path, [torch.ones(3, 4)], [torch.zeros(3, 4)], [some])
    assert called.outputs[0][0].tolist() == [[0, 1], [0, 3], [2, 0]]


def test_nonzero_of_dynamic_shapes(judge: Judge, tmp_path: Path) -> None:
    shapes = nacelle.Input(min=(1, 4), opt=(3, 4), max=(9, 4))
    path = _program(tmp_path, models.Where(), [shapes], "1")
    compare(judge, path, tmp_path, *([torch.eye(9, 4)[:rows].contiguous()] for rows in (1, 9, 5)))


def test_an_input_whose_values_decide_about_shapes(judge: Judge, tmp_path: Path) -> None:
    """The reference engine has no shape tensors as TensorRT has: to its clients such an output depends on data."""
    inputs = [
        nacelle.Input((12,)),
        nacelle.Input((2,), torch.int64, min_values=(1, 1), opt_values=(3, 4), max_values=(12, 12)),
    ]
    path = _program(tmp_path, models.Reshaped(), inputs, "1")
    sizes = ([3, 4], [12, 1], [2, 6])
    called = compare(judge, path, tmp_path, *([torch.arange(12.0), torch.tensor(size)] for size in sizes))
    assert called.outputs[0].shape == (2, 6)


def test_without_the_flag_the_judge_asks_for_a_negative_dimension(judge: Judge, tmp_path: Path) -> None:
    """Nacelle asks the plan and needs no flag."""
    path = _program(tmp_path, models.Where(), [nacelle.Input((3, 4))], "0")
    with pytest.raises(RefusedError, match="Trying to create tensor with negative dimension -1"):
        judge.load(path).call([torch.ones(3, 4)])
    where, _ = torch.jit.load(str(path))(torch.ones(3, 4))
    assert where.shape == (12, 2)


def test_the_flag_where_no_output_needs_it(judge: Judge, tmp_path: Path) -> None:
    path = _program(tmp_path, models.Difference(), [nacelle.Input((2, 3)), nacelle.Input((2, 3))], "1")
    compare(judge, path, tmp_path, [torch.ones(2, 3), torch.rand(2, 3)])
