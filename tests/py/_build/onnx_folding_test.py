"""Constant parts of ONNX models computed before a parser sees them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import torch_nacelle as nacelle
from examples.speech.data import MODEL, RECORDING
from examples.speech.program import engine_inputs
from examples.speech.sound import read_sound
from torch_nacelle import Input
from torch_nacelle._build.onnx_folding import CannotFoldError, folded, has_branches
from torch_nacelle._models.onnx_model import OnnxModel, nodes_of

# The operators whose second input says which axes, which parsers want as constants.
TAKE_AXES = {"Squeeze", "Unsqueeze", "ReduceSum"}


def model(
    nodes: Sequence[onnx.NodeProto], shape: Sequence[int | str], opset: int = 16, **initializers: Any
) -> OnnxModel:
    """A model from x to y, both float32."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in initializers.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return OnnxModel(made.SerializeToString(), "", ("y",))


def computed_axes(shape: Sequence[int | str]) -> OnnxModel:
    """y = x with a dimension of 1 at the place that a - b gives."""
    nodes = [helper.make_node("Sub", ["a", "b"], ["axes"]), helper.make_node("Unsqueeze", ["x", "axes"], ["y"])]
    return model(nodes, shape, a=np.array([3]), b=np.array([2]))


def chosen(condition: Sequence[onnx.NodeProto], shape: Sequence[int | str]) -> OnnxModel:
    """y = x + 1 if the nodes' "c" is true, else x of another rank."""
    branches = [
        helper.make_graph([node], "branch", [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)])
        for name, node in (
            ("added", helper.make_node("Add", ["x", "one"], ["added"])),
            ("flat", helper.make_node("Reshape", ["x", "all"], ["flat"])),
        )
    ]
    node = helper.make_node("If", ["c"], ["y"], then_branch=branches[0], else_branch=branches[1])
    constants = {"one": np.float32(1), "all": np.array([-1]), "place": np.array(0), "two": np.array(2)}
    return model([*condition, node], shape, **constants)


BY_SHAPE = [
    helper.make_node("Shape", ["x"], ["shape"]),
    helper.make_node("Gather", ["shape", "place"], ["extent"]),
    helper.make_node("Equal", ["extent", "two"], ["c"]),
]
BY_VALUE = [
    helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
    helper.make_node("Greater", ["sum", "one"], ["c"]),
]


def operators(data: bytes) -> list[str]:
    return [node.op_type for node in nodes_of(onnx.load_model_from_string(data).graph)]


def run(data: bytes, *tensors: torch.Tensor) -> list[Any]:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    return list(session.run(None, {name: value.numpy() for name, value in zip(names, tensors, strict=True)}))


@pytest.fixture(scope="module")
def speech() -> bytes:
    """The published model for one window, for the shapes that the example gives it."""
    return folded(OnnxModel(MODEL.read_bytes(), str(MODEL), ("output", "stateN")), engine_inputs())


def test_a_published_model_has_no_branches_and_only_constant_axes(speech: bytes) -> None:
    assert has_branches(MODEL.read_bytes())
    assert not has_branches(speech)
    graph = onnx.load_model_from_string(speech).graph
    constants = {tensor.name for tensor in graph.initializer}
    takers = [node for node in graph.node if node.op_type in TAKE_AXES and len(node.input) > 1]
    assert len(takers) > 8
    assert [node.name for node in takers if node.input[1] not in constants] == []
    assert "Shape" not in operators(speech)


def test_a_published_model_keeps_its_interface(speech: bytes) -> None:
    original, result = onnx.load(MODEL), onnx.load_model_from_string(speech)
    assert [one.name for one in result.graph.input] == ["input", "state", "sr"]
    assert [one.name for one in result.graph.output] == [one.name for one in original.graph.output]
    assert list(result.opset_import) == list(original.opset_import)
    assert result.ir_version == original.ir_version
    assert {node.domain for node in nodes_of(result.graph)} == {""}


def test_a_published_model_computes_the_same(speech: bytes) -> None:
    windows = read_sound(RECORDING)[16000 * 8 : 16000 * 8 + 576 * 20].reshape(20, 1, 576)
    program = nacelle.compile(speech, backend="reference")
    state = torch.zeros(2, 1, 128)
    rate = torch.tensor(16000)
    for window in windows:
        wanted = run(MODEL.read_bytes(), window, state, rate)
        for found in (run(speech, window, state, rate), program(window, state, rate)):
            for a, b in zip(found, wanted, strict=True):
                np.testing.assert_allclose(np.asarray(a), b, rtol=0, atol=1e-5)
        state = torch.from_numpy(wanted[1])


def test_the_same_model_gives_the_same_bytes(speech: bytes) -> None:
    again = folded(OnnxModel(MODEL.read_bytes(), "", ("output", "stateN")), engine_inputs())
    assert again == speech


def test_axes_are_computed_and_open_dimensions_stay_open() -> None:
    result = folded(computed_axes(["n", 4]), [Input(min=(1, 4), max=(8, 4), name="x")])
    assert operators(result) == ["Unsqueeze"]
    (taken,) = onnx.load_model_from_string(result).graph.input
    assert [dim.dim_param or dim.dim_value for dim in taken.type.tensor_type.shape.dim] == ["n", 4]
    for batch in (1, 5):
        (found,) = run(result, torch.ones(batch, 4))
        assert found.shape == (batch, 1, 4)


@pytest.mark.parametrize("version", [3, 8])
def test_weights_that_are_inputs_are_constants(version: int) -> None:
    proto = onnx.load_model_from_string(computed_axes([3, 4]).model)
    proto.ir_version = version
    proto.graph.input.extend(helper.make_tensor_value_info(name, TensorProto.INT64, [1]) for name in ("a", "b"))
    source = OnnxModel(proto.SerializeToString(), "", ("y",))
    assert operators(folded(source, [Input(shape=(3, 4), name="x")])) == ["Unsqueeze"]


@pytest.mark.parametrize(("extent", "shape"), [(2, (2, 3)), (4, (12,))])
def test_the_branch_that_a_fixed_shape_takes_is_left(extent: int, shape: tuple[int, ...]) -> None:
    result = folded(chosen(BY_SHAPE, ["n", 3]), [Input(shape=(extent, 3), name="x")])
    assert operators(result) == ["Add" if extent == 2 else "Reshape"]
    (found,) = run(result, torch.ones(extent, 3))
    assert found.shape == shape


@pytest.mark.parametrize(
    ("condition", "described"),
    [(BY_SHAPE, Input(min=(1, 3), max=(4, 3), name="x")), (BY_VALUE, Input(shape=(2, 3), name="x"))],
    ids=["open shape", "values"],
)
def test_a_choice_that_is_open_stays(condition: list[onnx.NodeProto], described: Input) -> None:
    source = chosen(condition, ["n", 3])
    result = folded(source, [described])
    assert has_branches(result)
    for value in (0.0, 1.0):
        x = torch.full((2, 3), value)
        np.testing.assert_array_equal(run(result, x)[0], run(source.model, x)[0])


def test_a_quantized_model_is_left_as_it_is() -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
    ]
    source = model(nodes, [4], scale=np.float32(0.1), zero=np.int8(0))
    with pytest.raises(CannotFoldError, match="is quantized"):
        folded(source, [Input(shape=(4,), name="x")])


def test_weights_in_other_files_are_left_there() -> None:
    source = OnnxModel(computed_axes([4]).model, "net.onnx", ("y",), external_files=("weights.bin",))
    with pytest.raises(CannotFoldError, match="has weights in other files"):
        folded(source, [Input(shape=(4,), name="x")])


def test_what_onnxruntime_does_not_know_is_left() -> None:
    source = model([helper.make_node("Unheard", ["x"], ["y"], domain="others")], [4])
    with pytest.raises(CannotFoldError, match=r"could not be folded by onnxruntime: .*others"):
        folded(source, [Input(shape=(4,), name="x")])


def test_without_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(CannotFoldError, match="the package onnxruntime, which is not installed"):
        folded(computed_axes([4]), [Input(shape=(4,), name="x")])
