"""Weights of ONNX models that are written as copies of others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from tests.py.networks import Quantized, seeded
from torch_nacelle import Input
from torch_nacelle._build.onnx import export
from torch_nacelle._build.onnx_weights import without_copied_weights
from torch_nacelle._models.onnx_model import nodes_of


def model(nodes: Sequence[onnx.NodeProto], outputs: Sequence[str] = ("y",)) -> bytes:
    """A model that takes x [2] and has the weight w = [3, 5]."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in outputs],
        [numpy_helper.from_array(np.array([3, 5], dtype=np.float32), "w")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    return bytes(made.SerializeToString())


def operators(data: bytes) -> list[str]:
    return [node.op_type for node in nodes_of(onnx.load_model_from_string(data).graph)]


def compute(data: bytes, x: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return list(onnxruntime.InferenceSession(data, options).run(None, {"x": x}))


def run(data: bytes) -> list[list[float]]:
    return [list(value) for value in compute(data, np.array([1, 2], dtype=np.float32))]


def test_copies_of_weights_go() -> None:
    data = model(
        [
            helper.make_node("Identity", ["w"], ["copy"]),
            helper.make_node("Identity", ["copy"], ["again"]),
            helper.make_node("Add", ["x", "copy"], ["sum"]),
            helper.make_node("Mul", ["sum", "again"], ["y"]),
        ]
    )
    changed = without_copied_weights(data)
    assert operators(changed) == ["Add", "Mul"]
    assert run(changed) == run(data) == [[12.0, 35.0]]
    onnx.checker.check_model(changed)
    assert without_copied_weights(changed) == changed


def test_constants_are_weights_too() -> None:
    one = numpy_helper.from_array(np.array([1, 1], dtype=np.float32), "one")
    data = model(
        [
            helper.make_node("Constant", [], ["c"], value=one),
            helper.make_node("Identity", ["c"], ["copy"]),
            helper.make_node("Add", ["x", "copy"], ["y"]),
        ]
    )
    assert operators(without_copied_weights(data)) == ["Constant", "Add"]
    assert run(without_copied_weights(data)) == [[2.0, 3.0]]


def test_what_copies_no_weight_stays_as_it_is() -> None:
    kept = [
        model([helper.make_node("Identity", ["x"], ["copy"]), helper.make_node("Relu", ["copy"], ["y"])]),
        model([helper.make_node("Identity", ["w"], ["y"])]),  # an output has a name of its own
        model([helper.make_node("Add", ["x", "w"], ["y"])]),
    ]
    for data in kept:
        assert without_copied_weights(data) is data


def test_branches_see_the_weight() -> None:
    branch = [
        helper.make_graph([node], "branch", [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)])
        for name, node in (
            ("added", helper.make_node("Add", ["x", "copy"], ["added"])),
            ("same", helper.make_node("Identity", ["copy"], ["same"])),
        )
    ]
    true = numpy_helper.from_array(np.array(True), "true")
    data = model(
        [
            helper.make_node("Constant", [], ["yes"], value=true),
            helper.make_node("Identity", ["w"], ["copy"]),
            helper.make_node("If", ["yes"], ["y"], then_branch=branch[0], else_branch=branch[1]),
        ]
    )
    changed = without_copied_weights(data)
    assert operators(changed).count("Identity") == 1  # the one in the branch, whose output is the branch's
    assert run(changed) == run(data) == [[4.0, 7.0]]


def test_zero_points_that_torch_writes_once() -> None:
    inputs = [Input(min=(1, 4, 16, 16), max=(4, 4, 16, 16), name="x")]
    data = export(seeded(Quantized), inputs, opset=16).model
    assert "Identity" in operators(data), "if torch writes them otherwise, this file may not be needed any more"
    changed = onnx.load_model_from_string(without_copied_weights(data))
    constants = {tensor.name for tensor in changed.graph.initializer}
    constants.update(node.output[0] for node in changed.graph.node if node.op_type == "Constant")
    quantizing = [node for node in changed.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert len(quantizing) == 8
    assert all(name in constants for node in quantizing for name in node.input[1:])
    x = torch.randn(2, 4, 16, 16).numpy()
    np.testing.assert_array_equal(compute(changed.SerializeToString(), x)[0], compute(data, x)[0])
