"""Outputs that share the memory of inputs by the record's word, which version 10 brought."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle
from tests.upstream import models
from tests.upstream.calling import call
from tests.upstream.comparing import assert_same, compare
from tests.upstream.judge import ABI, Judge, RefusedError
from tests.upstream.records import FIELDS, record_of, with_fields

ENGINE = "net_trt_engine"
FIXED: dict[str, Any] = {"shape": (2, 3)}


def _save(folder: Path, aliases: str, module: torch.nn.Module | None = None, **shape: Any) -> Path:
    """A program that takes `cache` and `x`, both as `shape` says, and gives `new` and `other`."""
    path = folder / "program.ts"
    inputs = [nacelle.Input(**(shape or FIXED), name=name) for name in ("cache", "x")]
    program = nacelle.compile(
        module or models.Cache(), inputs, name="net", output_names=["new", "other"], abi_version=ABI
    )
    program.save(str(path))
    return with_fields(path, ENGINE, {"aliased_io": aliases})


def _our_refusal(path: Path, inputs: list[torch.Tensor]) -> str:
    with pytest.raises((RuntimeError, nacelle.Error)) as refused:
        call(torch.jit.load(str(path)), inputs, 1, "cpu")
    return str(refused.value)


@pytest.mark.parametrize("kind", ["user", "kv_cache_update"])
def test_the_output_is_the_input(judge: Judge, tmp_path: Path, kind: str) -> None:
    path = _save(tmp_path, f"new@cache@{kind}")
    called = compare(judge, path, tmp_path, [torch.zeros(2, 3), torch.ones(2, 3)], times=3)
    assert called.shared == [0, None]
    assert called.inputs[0].tolist() == [[3.0] * 3] * 2
    assert [outputs[1].tolist() for outputs in called.outputs] == [[3.0] * 2, [6.0] * 2, [9.0] * 2]


def test_without_the_field_the_output_is_its_own(judge: Judge, tmp_path: Path) -> None:
    called = compare(judge, _save(tmp_path, ""), tmp_path, [torch.zeros(2, 3), torch.ones(2, 3)], times=3)
    assert called.shared == [None, None]
    assert called.inputs[0].tolist() == [[0.0] * 3] * 2


def test_each_call_writes_its_own_input(judge: Judge, tmp_path: Path) -> None:
    path = _save(tmp_path, "new@cache@user")
    calls = ([torch.full((2, 3), start), torch.ones(2, 3)] for start in (0.0, 5.0, -1.0))
    called = compare(judge, path, tmp_path, *calls, times=1)
    assert called.inputs[0].tolist() == [[0.0] * 3] * 2


def test_dynamic_shapes(judge: Judge, tmp_path: Path) -> None:
    path = _save(tmp_path, "new@cache@user", min=(1, 3), opt=(2, 3), max=(8, 3))
    calls = ([torch.zeros(rows, 3), torch.rand(rows, 3)] for rows in (1, 8, 4))
    assert compare(judge, path, tmp_path, *calls).shared == [0, None]


def test_float16(judge: Judge, tmp_path: Path) -> None:
    path = _save(tmp_path, "new@cache@kv_cache_update", **FIXED, dtype=torch.float16)
    inputs = [torch.zeros(2, 3).half(), torch.ones(2, 3).half()]
    assert compare(judge, path, tmp_path, inputs, times=3).inputs[0].tolist() == [[3.0] * 3] * 2


def test_several_outputs_share(judge: Judge, tmp_path: Path) -> None:
    """The judge saves the entries in an order of its own; Nacelle keeps the file's."""
    aliases = "new@cache@user%other@x@kv_cache_update"
    path = _save(tmp_path, aliases, models.DifferenceAndSum())
    inputs = [torch.zeros(2, 3), torch.ones(2, 3)]
    judged = judge.load(path)
    called = judged.call(inputs, 3)
    assert called.shared == [0, 1]
    assert_same(called, call(torch.jit.load(str(path)), inputs, 3, "cpu"))
    saved = record_of(judged.save(tmp_path / "saved.ts"), ENGINE)[FIELDS["aliased_io"]]
    assert sorted(saved.split("%")) == sorted(aliases.split("%"))


def test_a_kind_that_is_not_known(judge: Judge, tmp_path: Path) -> None:
    """The judge binds the output all the same and writes the kind as another one; Nacelle refuses to run it."""
    path = _save(tmp_path, "new@cache@other_kind")
    inputs = [torch.zeros(2, 3), torch.ones(2, 3)]
    judged = judge.load(path)
    assert judged.call(inputs, 3).shared == [0, None]
    saved = record_of(judged.save(tmp_path / "saved.ts"), ENGINE)[FIELDS["aliased_io"]]
    assert saved == "new@cache@kv_cache_update"
    assert "other_kind" in _our_refusal(path, inputs)


def test_another_shape_is_refused_by_both(judge: Judge, tmp_path: Path) -> None:
    path = _save(tmp_path, "other@cache@user")
    inputs = [torch.zeros(2, 3), torch.ones(2, 3)]
    with pytest.raises(RefusedError, match=r"Aliased output other shape .* does not match source input cache shape"):
        judge.load(path).call(inputs)
    words = _our_refusal(path, inputs)
    assert "other" in words and "cache" in words


def test_another_dtype_is_refused_by_nacelle(judge: Judge, tmp_path: Path) -> None:
    """The judge writes the output's bytes into the input, whose dtype is another."""
    path = _save(tmp_path, "new@cache@user", models.HalfCache())
    inputs = [torch.zeros(2, 3), torch.ones(2, 3)]
    assert judge.load(path).call(inputs).inputs[0].tolist() != [[1.0] * 3] * 2
    words = _our_refusal(path, inputs)
    assert "float16" in words and "float32" in words


def test_a_strided_input_is_refused_by_nacelle(judge: Judge, tmp_path: Path) -> None:
    """The judge writes a copy of it, without a word, and the input stays as it was."""
    path = _save(tmp_path, "new@cache@user")
    inputs = [torch.zeros(3, 2).t(), torch.ones(2, 3)]
    called = judge.load(path).call(inputs)
    assert called.shared == [None, None]
    assert called.inputs[0].tolist() == [[0.0] * 3] * 2
    assert "contiguous" in _our_refusal(path, inputs)


def test_names_that_the_engine_does_not_have(judge: Judge, tmp_path: Path) -> None:
    inputs = [torch.zeros(2, 3), torch.ones(2, 3)]
    path = _save(tmp_path, "new@nothing@user")
    with pytest.raises(RefusedError, match="references input binding nothing but that input was not bound"):
        judge.load(path).call(inputs)
    assert "nothing" in _our_refusal(path, inputs)


def test_an_output_of_unknown_shape_cannot_share(judge: Judge, tmp_path: Path) -> None:
    path = _save(tmp_path, "new@cache@user")
    changed = with_fields(path, ENGINE, {"requires_output_allocator": "1"})
    with pytest.raises(RefusedError, match="is incompatible with dynamic output allocator"):
        judge.load(changed)


def test_an_entry_that_is_cut_off(judge: Judge, tmp_path: Path) -> None:
    """The judge skips it with a warning; Nacelle refuses the record."""
    path = _save(tmp_path, "new@cache")
    judge.log()
    inputs = [torch.zeros(2, 3), torch.ones(2, 3)]
    assert judge.load(path).call(inputs, 3).shared == [None, None]
    assert "Skipping malformed aliased_io record" in judge.log()
    assert "field 12 (aliased_io)" in _our_refusal(path, inputs)
