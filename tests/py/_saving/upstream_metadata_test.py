"""The metadata that Torch-TensorRT wants in a record to export a program again."""

from __future__ import annotations

import base64
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.engine_kinds import BATCHED, KINDS, Doubled, of


def metadata_of(path: Path) -> str:
    (engine,) = torch.export.load(path).constants.values()
    text: str = engine.get_serialized_metadata()
    return text


@pytest.mark.parametrize("kind", ["one output", "two outputs", "other sizes", "bool and int64", "half"])
def test_the_expressions_give_the_shapes_of_every_batch(kind: str, tmp_path: Path) -> None:
    case = KINDS[kind]()
    nacelle.save(case.module, tmp_path / "x.pt2")
    told: dict[str, Any] = pickle.loads(base64.b64decode(metadata_of(tmp_path / "x.pt2")))
    assert set(told) == {"settings", "inout_symexprs", "output_tensors_are_unowned"}
    (given,) = told["inout_symexprs"]["inputs"]
    assert (given["name"], given["dtype"], given["shape_exprs"][1]) == ("input_0", torch.float32, 3)
    symbol = given["shape_exprs"][0]
    for batch in range(1, 9):
        outputs = case.model(torch.ones(batch, 3))
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        for output, said in zip(outputs, told["inout_symexprs"]["outputs"], strict=True):
            assert said["dtype"] == output.dtype
            sizes = [size if isinstance(size, int) else int(size.subs(symbol, batch)) for size in said["shape_exprs"]]
            assert sizes == list(output.shape)


def test_what_a_record_has_is_kept(tmp_path: Path) -> None:
    nacelle.save(of(Doubled()).module, tmp_path / "x.pt2")
    first = metadata_of(tmp_path / "x.pt2")
    nacelle.save(nacelle.load(tmp_path / "x.pt2"), tmp_path / "y.pt2")
    assert metadata_of(tmp_path / "y.pt2") == first


def test_there_is_none_where_it_has_no_place_or_sizes_are_unknown(tmp_path: Path) -> None:
    nacelle.save(of(Doubled()).module, tmp_path / "x.pt2", abi_version=5)
    assert metadata_of(tmp_path / "x.pt2") == ""
    nacelle.save(KINDS["data-dependent"]().module, tmp_path / "x.pt2")
    assert metadata_of(tmp_path / "x.pt2") == ""
    module = nacelle.EngineModule(nacelle.build_engine(Doubled(), [BATCHED]))
    nacelle.save(module, tmp_path / "x.ts", abi_version=9)
    assert [engine.metadata for engine in nacelle.read(tmp_path / "x.ts").engines] == [""]


def test_a_fixed_shape_has_numbers(tmp_path: Path) -> None:
    module = nacelle.compile(Doubled(), [nacelle.Input(shape=(2, 3))], container="module")
    nacelle.save(module, tmp_path / "x.pt2")
    told = pickle.loads(base64.b64decode(metadata_of(tmp_path / "x.pt2")))["inout_symexprs"]
    assert told["inputs"][0]["shape_exprs"] == told["outputs"][0]["shape_exprs"] == [2, 3]
