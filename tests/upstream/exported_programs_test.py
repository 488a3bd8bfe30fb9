"""Exported programs of Nacelle: Torch-TensorRT's runtime, to which torch.export.load gives the engines, runs them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.networks import TwoHeads, seeded
from tests.upstream import models
from tests.upstream.calling import call
from tests.upstream.comparing import assert_same
from tests.upstream.judge import ABI, Judge


@pytest.mark.parametrize(
    ("model", "shape"), [(seeded(models.Affine), (6,)), (seeded(TwoHeads), (3, 8, 8))], ids=["affine", "two heads"]
)
def test_an_exported_program(judge: Judge, tmp_path: Path, model: torch.nn.Module, shape: tuple[int, ...]) -> None:
    batches = nacelle.Input(min=(1, *shape), opt=(2, *shape), max=(8, *shape))
    path = tmp_path / "program.pt2"
    nacelle.save(nacelle.compile(model, [batches], container="module"), path, abi_version=ABI)
    judged, ours = judge.load(path), nacelle.load(path)
    for size in (1, 2, 8):
        inputs = [torch.randn(size, *shape, generator=torch.Generator().manual_seed(size))]
        assert_same(judged.call(inputs, 2), call(ours, inputs, 2, "cpu"))
