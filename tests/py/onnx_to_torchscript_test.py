"""ONNX nodes as TorchScript, against onnxruntime: attributes, versions, inputs that are constants or are not."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from onnx_to_torchscript import TranslationError, supported_operators, to_torchscript

Array = np.ndarray[Any, Any]


def numbers(*shape: int, seed: int = 0, dtype: str = "float32") -> Array:
    random = np.random.default_rng(seed)
    if dtype.startswith("float"):
        return random.standard_normal(shape).astype(dtype)
    return random.integers(0, 100, shape).astype(dtype)


def ints(*values: int) -> Array:
    return np.array(values, dtype=np.int64)


def model_of(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Array],
    constants: Mapping[str, Array],
    outputs: Sequence[str],
    opset: int,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), None) for n, v in inputs.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def compare(model: onnx.ModelProto, inputs: Mapping[str, Array], tolerance: float = 1e-5) -> None:
    """Both give the same, twice: the second run of a TorchScript program is another one than the first."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    wanted = onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, dict(inputs))
    module = to_torchscript(model)
    for _ in range(2):
        found = module(*[torch.from_numpy(np.array(value)) for value in inputs.values()])
        found = [found] if isinstance(found, torch.Tensor) else list(found)
        for one, other in zip(found, wanted, strict=True):
            assert one.dtype == torch.from_numpy(np.array(other)).dtype
            np.testing.assert_allclose(one.numpy(), other, rtol=tolerance, atol=tolerance)


def check(
    operator: str, *values: Array | None, opset: int = 17, outputs: int = 1, tolerance: float = 1e-5, **attributes: Any
) -> None:
    """A node against onnxruntime, once with all inputs given, once with all but the first as constants, once folded."""
    names = [f"in{index}" if value is not None else "" for index, value in enumerate(values)]
    results = [f"out{index}" for index in range(outputs)]
    node = helper.make_node(operator, names, results, name="it", **attributes)
    all_inputs = {name: value for name, value in zip(names, values, strict=True) if value is not None}
    first = dict(list(all_inputs.items())[:1])
    others = dict(list(all_inputs.items())[1:])
    compare(model_of([node], all_inputs, {}, results, opset), all_inputs, tolerance)
    compare(model_of([node], first, others, results, opset), first, tolerance)
    model = model_of([node], {}, all_inputs, results, opset)
    module = to_torchscript(model)
    assert module is not None
    compare(model, {}, tolerance)


IMAGES = numbers(2, 4, 9, 8)
WEIGHT = numbers(6, 4, 3, 3, seed=1)

CASES: dict[str, tuple[Any, ...]] = {
    "conv": ("Conv", IMAGES, WEIGHT, numbers(6)),
    "conv, strides, dilations, uneven pads": (
        "Conv",
        IMAGES,
        WEIGHT,
        {"strides": [2, 1], "dilations": [1, 2], "pads": [1, 0, 2, 3]},
    ),
    "conv, groups": ("Conv", IMAGES, numbers(8, 2, 3, 3), {"group": 2, "pads": [1, 1, 1, 1]}),
    "conv, same upper": ("Conv", IMAGES, WEIGHT, {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    "conv, same lower": ("Conv", IMAGES, WEIGHT, {"auto_pad": "SAME_LOWER", "strides": [2, 3]}),
    "conv, valid": ("Conv", IMAGES, WEIGHT, {"auto_pad": "VALID"}),
    "conv, one dimension": ("Conv", numbers(2, 3, 20), numbers(5, 3, 4), numbers(5), {"pads": [2, 1]}),
    "conv, three dimensions": ("Conv", numbers(1, 2, 5, 6, 7), numbers(3, 2, 2, 2, 2), {"strides": [1, 2, 1]}),
    "transposed conv": ("ConvTranspose", IMAGES, numbers(4, 3, 3, 3), numbers(3)),
    "transposed conv, strides, paddings": (
        "ConvTranspose",
        IMAGES,
        numbers(4, 3, 3, 3),
        numbers(3),
        {"strides": [2, 3], "pads": [1, 0, 1, 2], "output_padding": [1, 2]},
    ),
    "transposed conv, groups": ("ConvTranspose", IMAGES, numbers(4, 2, 2, 2), {"group": 2, "strides": [2, 2]}),
    "transposed conv, output shape": (
        "ConvTranspose",
        IMAGES,
        numbers(4, 3, 3, 3),
        {"strides": [2, 2], "output_shape": [18, 16]},
    ),
    "transposed conv, one dimension": ("ConvTranspose", numbers(1, 2, 6), numbers(2, 3, 4), {"strides": [3]}),
    "max pool": ("MaxPool", IMAGES, {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}),
    "max pool, ceil": ("MaxPool", IMAGES, {"kernel_shape": [2, 3], "strides": [2, 2], "ceil_mode": 1}),
    "max pool, dilations": ("MaxPool", IMAGES, {"kernel_shape": [2, 3], "dilations": [3, 2]}),
    "max pool, same lower": ("MaxPool", IMAGES, {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    "max pool, one dimension": ("MaxPool", numbers(1, 2, 9), {"kernel_shape": [3], "strides": [2]}),
    "max pool, three dimensions": ("MaxPool", numbers(1, 2, 5, 5, 5), {"kernel_shape": [2, 2, 2]}),
    "average pool": ("AveragePool", IMAGES, {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}),
    "average pool, padding counts": (
        "AveragePool",
        IMAGES,
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
    ),
    "average pool, ceil": ("AveragePool", IMAGES, {"kernel_shape": [2, 3], "strides": [2, 2], "ceil_mode": 1}),
    "lp pool": ("LpPool", IMAGES, {"kernel_shape": [3, 3], "strides": [2, 2], "p": 3}),
    "global lp pool": ("GlobalLpPool", IMAGES, {"p": 2}),
    "batch normalization": (
        "BatchNormalization",
        IMAGES,
        numbers(4),
        numbers(4, seed=1),
        numbers(4, seed=2),
        abs(numbers(4, seed=3)) + 0.5,
        {"epsilon": 1e-3},
    ),
    "instance normalization": ("InstanceNormalization", IMAGES, numbers(4), numbers(4, seed=1), {"epsilon": 1e-3}),
    "layer normalization": ("LayerNormalization", numbers(2, 5, 8), numbers(8), numbers(8, seed=1)),
    "layer normalization, two axes": ("LayerNormalization", numbers(2, 5, 8), numbers(5, 8), {"axis": 1}),
    "local response normalization": ("LRN", IMAGES, {"size": 3, "alpha": 0.3, "bias": 2.0}),
    "gemm": ("Gemm", numbers(3, 4), numbers(4, 5), numbers(5), {"alpha": 0.5, "beta": 2.0}),
    "gemm, transposed": ("Gemm", numbers(4, 3), numbers(5, 4), numbers(3, 1), {"transA": 1, "transB": 1}),
    "matrix product, vector": ("MatMul", numbers(2, 3, 4), numbers(4)),
    "matrix product, broadcast": ("MatMul", numbers(2, 1, 3, 4), numbers(5, 4, 2)),
    "integer matrix product": (
        "MatMulInteger",
        numbers(3, 4, dtype="uint8"),
        numbers(4, 2, dtype="int8"),
        np.array(3, dtype="uint8"),
        np.array(-2, dtype="int8"),
    ),
    "integer conv": (
        "ConvInteger",
        numbers(1, 2, 5, 5, dtype="uint8"),
        numbers(3, 2, 3, 3, dtype="uint8"),
        np.array(7, dtype="uint8"),
        {"pads": [1, 1, 1, 1]},
    ),
    "integer division": ("Div", np.array([-7, 7, 5], dtype="int64"), np.array([2, -2, 3], dtype="int64")),
    "power of integers": ("Pow", np.array([1, 2, 3], dtype="int64"), np.array([2.0, 3.0, 2.0], dtype="float32")),
    "remainder of integers": ("Mod", np.array([-7, 7, 5], dtype="int32"), np.array([3, -3, 3], dtype="int32")),
    "clip without a maximum": ("Clip", numbers(5), np.array(0.1, dtype="float32")),
    "cast to bool": ("Cast", numbers(3, 4), {"to": TensorProto.BOOL}),
    "cast to integers": ("Cast", numbers(3, 4) * 10, {"to": TensorProto.INT32}),
    "reduction over all": ("ReduceSum", IMAGES),
    "reduction over none": ("ReduceSum", IMAGES, ints(), {"noop_with_empty_axes": 1}),
    "reduction over negative axes": ("ReduceMean", IMAGES, {"axes": [-1, -2], "keepdims": 0}),
    "maximum of integers": ("ReduceMax", numbers(3, 4, dtype="int32"), {"axes": [1]}),
    "softmax": ("Softmax", IMAGES, {"axis": 1}),
    "running sum": ("CumSum", numbers(3, 4), np.array(1, dtype="int32"), {"exclusive": 1, "reverse": 1}),
    "slice": ("Slice", IMAGES, ints(1, -3), ints(100, -1), ints(1, -2), ints(2, 1)),
    "slice backwards": ("Slice", IMAGES, ints(-1), ints(-100), ints(3), ints(-2)),
    "gather": ("Gather", IMAGES, np.array([[0, -1], [2, 1]], dtype="int64"), {"axis": 1}),
    "gather one": ("Gather", IMAGES, np.array(-1, dtype="int64"), {"axis": 2}),
    "pad, constant": ("Pad", IMAGES, ints(0, 0, 1, 2, 0, 0, 3, 0), np.array(1.5, dtype="float32")),
    "pad, cut": ("Pad", IMAGES, ints(0, 0, -1, 2, 0, 0, 3, -2)),
    "pad, reflect": ("Pad", IMAGES, ints(0, 0, 1, 2, 0, 0, 3, 0), {"mode": "reflect"}),
    "pad, edge": ("Pad", IMAGES, ints(0, 0, 1, 2, 0, 1, 3, 0), {"mode": "edge"}),
    "pad of integers": ("Pad", numbers(2, 3, dtype="int64"), ints(1, 0, 0, 1), np.array(9, dtype="int64")),
    "reshape": ("Reshape", IMAGES, ints(0, -1, 6)),
    "flatten": ("Flatten", IMAGES, {"axis": 2}),
    "split": ("Split", IMAGES, ints(3, 6), {"axis": 2}, 2),
    "split evenly": ("Split", IMAGES, {"axis": 1}, 4),
    "expand": ("Expand", numbers(3, 1), ints(2, 1, 4)),
    "tile": ("Tile", numbers(2, 3), ints(2, 1)),
    "one hot": ("OneHot", ints(0, 2, -1), np.array(3, dtype="int64"), np.array([0.5, 2.0], dtype="float32")),
    "top k": ("TopK", numbers(3, 7), ints(3), {"axis": -1}, 2),
    "smallest k": ("TopK", numbers(3, 7), ints(2), {"axis": 0, "largest": 0}, 2),
    "einsum": ("Einsum", numbers(2, 3, 4), numbers(2, 4, 5), {"equation": "bij, bjk -> bik"}),
    "quantize": ("QuantizeLinear", numbers(3, 4), np.array(0.02, dtype="float32"), np.array(120, dtype="uint8")),
    "quantize by channel": (
        "QuantizeLinear",
        numbers(3, 4),
        np.array([0.02, 0.1, 0.5], dtype="float32"),
        np.zeros(3, dtype="int8"),
        {"axis": 0},
    ),
    "dequantize by channel": (
        "DequantizeLinear",
        numbers(3, 4, dtype="int8"),
        np.array([0.02, 0.1, 0.5, 1], dtype="float32"),
        np.array([1, 2, 3, 4], dtype="int8"),
    ),
    "dynamic quantization": ("DynamicQuantizeLinear", numbers(3, 4), {}, 3),
    "grid sample": ("GridSample", IMAGES, numbers(2, 5, 6, 2), {"padding_mode": "border"}),
    "compress": ("Compress", IMAGES, np.array([True, False, True, True]), {"axis": 1}),
    "shrink": ("Shrink", numbers(3, 4), {"lambd": 0.3, "bias": 0.1}),
}


@pytest.mark.parametrize("name", CASES)
def test_against_onnxruntime(name: str) -> None:
    operator, *rest = CASES[name]
    outputs = rest.pop() if isinstance(rest[-1], int) else 1
    attributes = rest.pop() if isinstance(rest[-1], dict) else {}
    check(operator, *rest, outputs=outputs, tolerance=1e-4 if "conv" in name else 1e-5, **attributes)


@pytest.mark.parametrize("coordinates", ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"])
@pytest.mark.parametrize(
    "options",
    [
        {"mode": "nearest", "nearest_mode": "floor"},
        {"mode": "nearest", "nearest_mode": "round_prefer_floor"},
        {"mode": "nearest", "nearest_mode": "ceil"},
        {"mode": "linear"},
        {"mode": "cubic", "cubic_coeff_a": -0.5},
    ],
)
@pytest.mark.parametrize("by", ["scales", "sizes"])
def test_resize(coordinates: str, options: dict[str, Any], by: str) -> None:
    images = numbers(1, 2, 6, 8)
    scales = np.array([1, 1, 2.0, 0.5], dtype="float32")
    given = [images, None, scales] if by == "scales" else [images, None, None, ints(1, 2, 9, 3)]
    check("Resize", *given, opset=13, coordinate_transformation_mode=coordinates, **options)


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("lengths", [None, np.array([5, 2, 3], dtype="int32")])
@pytest.mark.parametrize(
    ("operator", "gates", "attributes"),
    [("LSTM", 4, {}), ("GRU", 3, {"linear_before_reset": 1}), ("GRU", 3, {"linear_before_reset": 0}), ("RNN", 1, {})],
)
def test_recurrent(
    operator: str, gates: int, attributes: dict[str, Any], direction: str, lengths: Array | None
) -> None:
    directions = 2 if direction == "bidirectional" else 1
    values = [
        numbers(5, 3, 4),
        numbers(directions, gates * 6, 4, seed=1),
        numbers(directions, gates * 6, 6, seed=2),
        numbers(directions, 2 * gates * 6, seed=3),
        lengths,
        numbers(directions, 3, 6, seed=4),
    ]
    values += [numbers(directions, 3, 6, seed=5), numbers(directions, 3 * 6, seed=6)] if operator == "LSTM" else []
    outputs = 3 if operator == "LSTM" else 2
    check(operator, *values, outputs=outputs, hidden_size=6, direction=direction, **attributes)


# The same in the form that older versions have.
@pytest.mark.parametrize(
    ("operator", "values", "attributes", "opset"),
    [
        ("Slice", [IMAGES], {"starts": [1, 0], "ends": [3, -1], "axes": [1, 3]}, 9),
        ("Squeeze", [numbers(1, 3, 1, 2)], {"axes": [0, -2]}, 11),
        ("Unsqueeze", [numbers(3, 2)], {"axes": [0, -1]}, 11),
        ("Split", [IMAGES], {"split": [2, 7], "axis": 2}, 11),
        ("Pad", [IMAGES], {"pads": [0, 0, 1, 1, 0, 0, 1, 1], "value": 2.0}, 10),
        ("Clip", [numbers(9)], {"min": -0.5, "max": 0.5}, 10),
        ("Softmax", [IMAGES], {"axis": 2}, 11),
        ("LogSoftmax", [IMAGES], {}, 11),
        ("Hardmax", [IMAGES], {}, 11),
        ("ReduceSum", [IMAGES], {"axes": [1, 2]}, 11),
        ("ReduceMax", [IMAGES, ints(1, -1)], {}, 18),
        ("Upsample", [IMAGES, np.array([1, 1, 2, 3], dtype="float32")], {"mode": "nearest"}, 9),
        ("Resize", [IMAGES, np.array([1, 1, 2, 3], dtype="float32")], {"mode": "linear"}, 10),
        ("Dropout", [IMAGES], {"ratio": 0.3}, 11),
        ("Split", [IMAGES], {"axis": 2, "num_outputs": 2}, 18),
        ("Scatter", [numbers(3, 3), np.array([[0, 2]]), numbers(1, 2)], {"axis": 1}, 10),
    ],
)
def test_other_versions(operator: str, values: list[Array], attributes: dict[str, Any], opset: int) -> None:
    check(operator, *values, opset=opset, outputs=2 if operator == "Split" else 1, **attributes)


@settings(max_examples=150, deadline=None)
@given(extent=st.integers(0, 6), start=st.integers(-9, 9), end=st.integers(-9, 9), step=st.integers(-3, 3).filter(bool))
def test_slices(extent: int, start: int, end: int, step: int) -> None:
    """Bounds beyond the ends, on which the standard and Python do not agree for steps backwards."""
    values = np.arange(extent, dtype=np.int64)
    node = helper.make_node("Slice", ["x", "s", "e", "a", "t"], ["y"])
    constants = {"s": ints(start), "e": ints(end), "a": ints(0), "t": ints(step)}
    compare(model_of([node], {"x": values}, constants, ["y"], 13), {"x": values})


@settings(max_examples=60, deadline=None)
@given(data=st.data(), rank=st.integers(1, 3), mode=st.sampled_from(["constant", "edge", "reflect"]))
def test_pads(data: st.DataObject, rank: int, mode: str) -> None:
    """Any number of dimensions, cut on one side and filled on the other."""
    shape = data.draw(st.lists(st.integers(3, 5), min_size=rank, max_size=rank))
    pads = data.draw(st.lists(st.integers(-1 if mode == "constant" else 0, 2), min_size=2 * rank, max_size=2 * rank))
    node = helper.make_node("Pad", ["x", "p"], ["y"], mode=mode)
    values = numbers(*shape)
    compare(model_of([node], {"x": values}, {"p": ints(*pads)}, ["y"], 17), {"x": values})


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(), keep=st.booleans(), operator=st.sampled_from(["ReduceSum", "ReduceMax", "ReduceProd", "ReduceL2"])
)
def test_reductions(data: st.DataObject, keep: bool, operator: str) -> None:
    """Over any axes, counted from either end."""
    axes = data.draw(st.lists(st.integers(-3, 2), max_size=3, unique_by=lambda axis: axis % 3))
    node = helper.make_node(operator, ["x", "a"] if axes else ["x"], ["y"], keepdims=int(keep))
    values = numbers(2, 3, 4)
    constants = {"a": ints(*axes)} if axes else {}
    compare(model_of([node], {"x": values}, constants, ["y"], 18), {"x": values}, 1e-4)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_reshapes(data: st.DataObject) -> None:
    """A tensor of 24 elements to any shape, one extent left to be found and others kept, given only when it runs."""
    shape = data.draw(st.sampled_from([(24,), (4, 6), (2, 3, 4), (1, 2, 3, 4)]))
    wanted = list(data.draw(st.sampled_from([(24,), (6, 4), (3, 8), (2, 3, 4), (2, 1, 12), (1, 4, 6, 1)])))
    kept = [index for index in range(min(len(shape), len(wanted))) if shape[index] == wanted[index]]
    for index in data.draw(st.sets(st.sampled_from(kept))) if kept else ():
        wanted[index] = 0
    free = [index for index in range(len(wanted)) if wanted[index] != 0]
    find_one: bool = data.draw(st.booleans())
    if free and find_one:
        wanted[data.draw(st.sampled_from(free))] = -1
    node = helper.make_node("Reshape", ["x", "s"], ["y"])
    given_inputs = {"x": numbers(*shape), "s": ints(*wanted)}
    compare(model_of([node], given_inputs, {}, ["y"], 17), given_inputs)


def test_the_operators_are_known_to_onnx() -> None:
    """Each version that is said to be translated is one that the standard has."""
    for name, (first, last) in supported_operators().items():
        versions = {
            s.since_version for s in onnx.defs.get_all_schemas_with_history() if (s.name, s.domain) == (name, "")
        }
        assert {first, last} <= versions, name


EMPTY = helper.make_graph([], "empty", [], [])


def test_refused_nodes_are_all_named() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="fine"),
        helper.make_node("DeformConv", ["a", "a", "a"], ["b"], name="first"),
        helper.make_node("FusedMatMul", ["b", "b"], ["c"], name="second", domain="com.microsoft"),
        helper.make_node("Neg", ["c"], ["n"], name="fine too"),
        helper.make_node("BatchNormalization", ["n"] * 5, ["d", "e", "f"], training_mode=1),
    ]
    model = model_of(nodes, {"x": numbers(1)}, {}, ["d"], 19)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(TranslationError) as caught:
        to_torchscript(model)
    message = str(caught.value)
    assert "3 parts" in message and "fine" not in message
    assert "node 'first': DeformConv (domain ai.onnx, opset 19): the operator is not translated" in message
    assert "node 'second': FusedMatMul (domain com.microsoft, opset 1)" in message
    assert "the node that computes 'd': BatchNormalization (domain ai.onnx, opset 19): training_mode is set" in message


@pytest.mark.parametrize(
    ("node", "opset", "message"),
    [
        (helper.make_node("Add", ["x", "nowhere"], ["y"]), 17, "'nowhere', which nothing before it computes"),
        (helper.make_node("Concat", ["x", "x"], ["y"]), 17, "attribute axis is missing"),
        (helper.make_node("Relu", ["x"], ["y"], slope=2.0), 17, "has no attribute slope"),
        (helper.make_node("Relu", ["x", "x", "x"], ["y"]), 17, "it has 3 inputs"),
        (helper.make_node("Flatten", ["x"], ["y"], axis="exit()"), 17, "axis has the type STRING; INT was wanted"),
        (
            helper.make_node("Transpose", ["x"], ["y"], perm=["exit()"]),
            17,
            "perm has the type STRINGS; INTS was wanted",
        ),
        (helper.make_node("Add", ["x", "x"], ["y"]), 6, "its version 6 is not translated; versions 7 to 14 are"),
        (helper.make_node("Gelu", ["x"], ["y"]), 17, "this opset has no such operator"),
        (helper.make_node("Resize", ["x", "", "s"], ["y"], mode="lanczos"), 17, "mode is 'lanczos'"),
        (helper.make_node("Cast", ["x"], ["y"], to=TensorProto.STRING), 17, "STRING"),
        (helper.make_node("LSTM", ["x", "x", "x"], ["y"], activations=["Affine"] * 3), 17, "activation affine"),
        (helper.make_node("Reshape", ["s", "t"], ["y"]), 17, "it fails on its constant inputs"),
        (helper.make_node("If", ["x"], ["y"], then_branch=EMPTY, else_branch=EMPTY), 17, "outputs of a branch is 0; 1"),
        (helper.make_node("Loop", ["", "x", "x"], ["y"], body=EMPTY), 17, "inputs of its body is 0; 3 was wanted"),
    ],
)
def test_damaged_and_unknown_nodes(node: onnx.NodeProto, opset: int, message: str) -> None:
    constants = {"s": np.ones(4, dtype="float32"), "t": ints(3)}
    with pytest.raises(TranslationError, match=message):
        to_torchscript(model_of([node], {"x": numbers(2)}, constants, ["y"], opset))


def test_external_data_that_are_not_there_are_named() -> None:
    model = model_of([helper.make_node("Add", ["x", "w"], ["y"])], {"x": numbers(2)}, {"w": numbers(2)}, ["y"], 17)
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    with pytest.raises(TranslationError, match="initializer 'w': the data of 'w' are in another file"):
        to_torchscript(model)
