"""The names that programs and Python code call: a name of both sides has one schema and gives one answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.networks import seeded
from tests.upstream import models
from tests.upstream.calling import surface
from tests.upstream.judge import ABI, Judge

Surface = dict[str, Any]

# Names of the newest version of the record, which a judge of an older version does not have.
OF_THE_NEWEST = {"tensorrt::ABI_VERSION", "tensorrt::SERIALIZATION_LEN"}


@pytest.fixture
def both(judge: Judge, tmp_path: Path) -> tuple[Surface, Surface]:
    """The judge's and Nacelle's names for an engine."""
    path = tmp_path / "program.ts"
    shapes = nacelle.Input(min=(1, 6), opt=(2, 6), max=(4, 6))
    nacelle.compile(seeded(models.Affine), [shapes], name="net", abi_version=ABI).save(str(path))
    return judge.load(path).surface("net_trt_engine"), surface(torch.jit.load(str(path)).net_trt_engine)


def test_methods(both: tuple[Surface, Surface]) -> None:
    judged, ours = (side["methods"] for side in both)
    common = judged.keys() & ours.keys()
    assert {name: ours[name] for name in common} == {name: judged[name] for name in common}
    assert {"infer_outputs", "get_serialized_metadata"} <= common


def test_answers(both: tuple[Surface, Surface]) -> None:
    judged, ours = (side["results"] for side in both)
    common = judged.keys() & ours.keys()
    assert {name: ours[name] for name in common} == {name: judged[name] for name in common}
    assert {"infer_outputs", "get_serialized_metadata"} <= common


def test_operators(both: tuple[Surface, Surface]) -> None:
    judged, ours = (side["operators"] for side in both)
    common = judged.keys() & ours.keys() - {"tensorrt::execute_engine"}
    if ABI < 10:
        common -= OF_THE_NEWEST
    assert {name: ours[name] for name in common} == {name: judged[name] for name in common}
    assert {"tensorrt::ENGINE_IDX", "tensorrt::get_current_platform"} <= common


def test_the_operator_that_programs_call(both: tuple[Surface, Surface]) -> None:
    """Exported programs and AOTInductor packages store the names of its arguments."""
    judged, ours = (side["operators"]["tensorrt::execute_engine"][0] for side in both)
    assert ours == judged
