"""Programs of every kind: Torch-TensorRT's runtime computes what Nacelle computes, and saves the same files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.networks import Detector, TwoHeads, seeded
from tests.upstream import models
from tests.upstream.calling import call
from tests.upstream.comparing import assert_same, compare
from tests.upstream.judge import ABI, Judge
from tests.upstream.records import with_fields

_GENERATOR = torch.Generator().manual_seed(11)


def _random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=_GENERATOR)


def _program(folder: Path, model: Any, inputs: Any, **options: Any) -> Path:
    path = folder / "program.ts"
    nacelle.compile(model, inputs, abi_version=ABI, **options).save(str(path))
    return path


def test_one_output(judge: Judge, tmp_path: Path) -> None:
    path = _program(tmp_path, seeded(models.Affine), [_random(2, 6)])
    called = compare(judge, path, tmp_path, [_random(2, 6)], [_random(2, 6)])
    assert [type(output) for output in called.outputs] == [torch.Tensor, torch.Tensor]


def test_several_outputs(judge: Judge, tmp_path: Path) -> None:
    path = _program(tmp_path, seeded(TwoHeads), [_random(1, 3, 8, 8)], name="net", output_names=["classes", "boxes"])
    called = compare(judge, path, tmp_path, [_random(1, 3, 8, 8)])
    assert [type(output) for output in called.outputs] == [tuple, tuple]


@pytest.mark.parametrize("names", [("input_0", "input_1"), ("b", "a"), ("x.1", "x.0"), ("input_10", "input_9")])
def test_inputs_in_the_order_of_the_record(judge: Judge, tmp_path: Path, names: tuple[str, str]) -> None:
    inputs = [nacelle.Input((2, 3), name=name) for name in names]
    path = _program(tmp_path, models.Difference(), inputs)
    a, b = _random(2, 3), _random(2, 3)
    called = compare(judge, path, tmp_path, [a, b])
    torch.testing.assert_close(called.outputs[0], a - 2 * b)


@pytest.mark.parametrize(
    "dtype",
    [torch.float32, torch.float16, torch.bfloat16, torch.int8, torch.int32, torch.int64, torch.bool],
    ids=lambda dtype: str(dtype).removeprefix("torch."),
)
def test_dtypes(judge: Judge, tmp_path: Path, dtype: torch.dtype) -> None:
    path = _program(tmp_path, models.Flipped(), [nacelle.Input((5, 3), dtype)])
    called = compare(judge, path, tmp_path, [(_random(5, 3) * 50).abs().to(dtype)])
    assert called.outputs[0].dtype == dtype


def test_several_dtypes_at_once(judge: Judge, tmp_path: Path) -> None:
    inputs = [
        nacelle.Input((4, 3), torch.float16),
        nacelle.Input((2,), torch.int64),
        nacelle.Input((3,), torch.bool),
    ]
    path = _program(tmp_path, models.ThreeOfThree(), inputs)
    given = [_random(4, 3).half(), torch.tensor([3, 1]), torch.tensor([True, False, True])]
    called = compare(judge, path, tmp_path, given)
    assert [tensor.dtype for tensor in called.outputs[0]] == [torch.float16, torch.int64, torch.bool]


def test_tensors_without_dimensions(judge: Judge, tmp_path: Path) -> None:
    path = _program(tmp_path, models.Scaled(), [nacelle.Input((3,)), nacelle.Input(())])
    called = compare(judge, path, tmp_path, [_random(3), torch.tensor(2.5)])
    assert called.outputs[0][1].shape == ()


def test_dynamic_shapes(judge: Judge, tmp_path: Path) -> None:
    shapes = nacelle.Input(min=(1, 3, 8, 8), opt=(2, 3, 16, 16), max=(4, 3, 32, 32))
    path = _program(tmp_path, seeded(TwoHeads), [shapes], output_names=["classes", "boxes"])
    sizes = [(1, 8, 8), (4, 32, 32), (3, 9, 31), (1, 8, 8)]
    called = compare(judge, path, tmp_path, *([_random(batch, 3, height, width)] for batch, height, width in sizes))
    assert called.outputs[0][0].shape == (1, 10)


def test_several_optimization_profiles(judge: Judge, tmp_path: Path) -> None:
    """Torch-TensorRT takes the first profile; the shapes here are in the first."""
    shapes = nacelle.Input(min=[(1, 6), (5, 6)], opt=[(2, 6), (6, 6)], max=[(4, 6), (8, 6)])
    path = _program(tmp_path, seeded(models.Affine), [shapes])
    compare(judge, path, tmp_path, [_random(1, 6)], [_random(4, 6)])


def test_no_elements(judge: Judge, tmp_path: Path) -> None:
    shapes = nacelle.Input(min=(0, 6), opt=(2, 6), max=(4, 6))
    path = _program(tmp_path, seeded(models.Affine), [shapes])
    called = compare(judge, path, tmp_path, [_random(0, 6)], [_random(3, 6)], [_random(0, 6)])
    assert called.outputs[0].shape == (0, 4)


def test_inputs_that_are_not_contiguous(judge: Judge, tmp_path: Path) -> None:
    path = _program(tmp_path, models.Difference(), [_random(4, 3), _random(4, 3)])
    compare(judge, path, tmp_path, [_random(3, 4).t(), _random(4, 6)[:, ::2]])


def test_a_hybrid_of_two_engines_and_control_flow(judge: Judge, tmp_path: Path) -> None:
    paths = {"backbone": [_random(1, 3, 8, 8)], "head": [_random(1, 8)]}
    path = _program(tmp_path, seeded(Detector), paths)
    assert len(nacelle.read(path).engines) == 2
    once, twice = -_random(1, 3, 8, 8).abs(), _random(1, 3, 8, 8).abs()
    compare(judge, path, tmp_path, [once], [twice], [once])


def test_a_hybrid_of_dicts(judge: Judge, tmp_path: Path) -> None:
    first = nacelle.Input(min=(1, 6), opt=(2, 6), max=(9, 6))
    second = nacelle.Input(min=(1, 4), opt=(2, 4), max=(9, 4))
    path = _program(tmp_path, seeded(models.Pair), {"first": [first], "second": [second]})
    calls = ([_random(rows, 6) * 3, {"a": _random(3), "b": _random(2, 2)}] for rows in (1, 5, 9))
    called = compare(judge, path, tmp_path, *calls)
    assert list(called.outputs[0]) == ["out", "hidden", "a", "b"]


def test_an_engine_called_in_a_loop(judge: Judge, tmp_path: Path) -> None:
    path = _program(tmp_path, seeded(models.Listed), {"step": [_random(2, 4)]})
    called = compare(judge, path, tmp_path, [_random(2, 4), 0], [_random(2, 4), 4])
    assert len(called.outputs[0]) == 5


def test_many_calls_of_one_program(judge: Judge, tmp_path: Path) -> None:
    path = _program(tmp_path, seeded(models.Affine), [nacelle.Input(min=(1, 6), opt=(2, 6), max=(8, 6))])
    compare(judge, path, tmp_path, *([_random(rows, 6)] for rows in (1, 8, 3)), times=25)


def test_two_programs_of_one_file(judge: Judge, tmp_path: Path) -> None:
    """Engines of one file hold no state together."""
    path = _program(tmp_path, seeded(models.Affine), [nacelle.Input(min=(1, 6), opt=(2, 6), max=(8, 6))])
    first, second = judge.load(path), judge.load(path)
    a, b = [_random(2, 6)], [_random(7, 6)]
    before = first.call(a)
    second.call(b)
    assert_same(first.call(a), before)
    assert_same(second.call(a), before)


def test_an_onnx_model(judge: Judge, tmp_path: Path) -> None:
    torch.onnx.export(
        torch.jit.script(seeded(models.Affine)), (_random(2, 6),), str(tmp_path / "affine.onnx"), dynamo=False
    )
    path = _program(tmp_path, str(tmp_path / "affine.onnx"), None)
    compare(judge, path, tmp_path, [_random(2, 6)])


def test_a_traced_model(judge: Judge, tmp_path: Path) -> None:
    path = _program(tmp_path, seeded(models.Affine), [_random(2, 6)], method="trace")
    compare(judge, path, tmp_path, [_random(2, 6)])


def test_an_exported_program(judge: Judge, tmp_path: Path) -> None:
    exported = torch.export.export(seeded(TwoHeads), (_random(1, 3, 8, 8),))
    path = _program(tmp_path, exported, None, name="net")
    compare(judge, path, tmp_path, [_random(1, 3, 8, 8)])


def test_an_embedded_plan_with_outputs_in_another_order(judge: Judge, tmp_path: Path) -> None:
    plan = nacelle.build_engine(seeded(TwoHeads), [_random(1, 3, 8, 8)], output_names=["classes", "boxes"])
    path = tmp_path / "program.ts"
    nacelle.embed(plan, output_names=["boxes", "classes"], abi_version=ABI, hardware_compatible=True).save(str(path))
    called = compare(judge, path, tmp_path, [_random(1, 3, 8, 8)])
    assert [tensor.shape[1] for tensor in called.outputs[0]] == [4, 10]


def test_programs_inside_of_a_module(judge: Judge, tmp_path: Path) -> None:
    """Two programs of which the engines and classes have one name, held by a module that is scripted."""
    programs = [
        nacelle.compile(seeded(models.Affine), [_random(2, 6)], name="net", abi_version=ABI),
        nacelle.compile(models.Difference(), [_random(2, 4), _random(2, 4)], name="net", abi_version=ABI),
    ]
    path = tmp_path / "program.ts"
    torch.jit.script(models.Holder(*programs)).save(str(path))
    assert len(nacelle.read(path).engines) == 2
    compare(judge, path, tmp_path, [_random(2, 6)])


def test_a_program_whose_plan_was_replaced(judge: Judge, tmp_path: Path) -> None:
    path = _program(tmp_path, models.Difference(), [_random(2, 3), _random(2, 3)], name="net")
    plan = nacelle.build_engine(models.SwappedDifference(), [_random(2, 3), _random(2, 3)])
    nacelle.replace(path, "net_trt_engine", plan, tmp_path / "replaced.ts")
    a, b = _random(2, 3), _random(2, 3)
    called = compare(judge, tmp_path / "replaced.ts", tmp_path, [a, b])
    torch.testing.assert_close(called.outputs[0], b - 2 * a)


@pytest.mark.parametrize("version", range(3, 11))
def test_converted_programs(judge: Judge, tmp_path: Path, version: int) -> None:
    """Converts from each version of the record to the judge's, by default for this platform."""
    path = tmp_path / "program.ts"
    inputs = [_random(1, 3, 8, 8)]
    nacelle.compile(seeded(TwoHeads), inputs, abi_version=version).save(str(path))
    nacelle.convert(path, path, abi_version=ABI)
    compare(judge, path, tmp_path, [_random(1, 3, 8, 8)])


def test_a_converted_hybrid(judge: Judge, tmp_path: Path) -> None:
    path = tmp_path / "program.ts"
    paths = {"backbone": [_random(1, 3, 8, 8)], "head": [_random(1, 8)]}
    nacelle.compile(seeded(Detector), paths).save(str(path))
    nacelle.convert(path, path, abi_version=ABI)
    compare(judge, path, tmp_path, [_random(1, 3, 8, 8).abs()])


def test_converted_programs_whose_engines_share_texts(judge: Judge, tmp_path: Path) -> None:
    """Values of the old records that the rest of the pickle uses have moved, and the two engines have one plan."""
    path = tmp_path / "program.ts"
    plan = nacelle.build_engine(seeded(models.Affine), [_random(2, 6)])
    programs = [nacelle.embed(plan, name=name, abi_version=10) for name in ("first", "second")]
    torch.jit.script(models.Both(*programs)).save(str(path))
    for version in (3, 4, 10, ABI):
        nacelle.convert(path, path, abi_version=version)
    called = compare(judge, path, tmp_path, [_random(2, 6)])
    torch.testing.assert_close(called.outputs[0][0], called.outputs[0][1])


def test_a_stripped_program(judge: Judge, tmp_path: Path) -> None:
    path = _program(tmp_path, seeded(models.Affine), [_random(2, 6)], name="net")
    changed = with_fields(path, "net_trt_engine", {"metadata": "a pickle, or what looks like one"})
    assert len(nacelle.strip(changed, tmp_path / "stripped.ts")) == 1
    compare(judge, tmp_path / "stripped.ts", tmp_path, [_random(2, 6)])


@pytest.mark.parametrize(
    ("names", "swapped"),
    [
        (("input_0", "input_1"), False),
        (("input_1", "input_0"), True),
        (("x.1", "x.0"), True),
        (("a.0.1", "a.1.0"), True),
        (("a.1.0", "a.0.1"), False),
    ],
)
def test_records_without_names(judge: Judge, tmp_path: Path, names: tuple[str, str], swapped: bool) -> None:
    """The order of inputs is then that of the last numbers in the plan's names."""
    inputs = [nacelle.Input((2, 3), name=name) for name in names]
    path = tmp_path / "program.ts"
    nacelle.compile(models.Difference(), inputs, name="net", abi_version=ABI).save(str(path))
    changed = with_fields(path, "net_trt_engine", {"input_names": "", "output_names": ""})
    a, b = _random(2, 3), _random(2, 3)
    judged = judge.load(changed)
    called = judged.call([a, b])
    assert_same(called, call(torch.jit.load(str(changed)), [a, b], 1, "cpu"))
    torch.testing.assert_close(called.outputs[0], b - 2 * a if swapped else a - 2 * b)
