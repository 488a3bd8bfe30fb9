"""ONNX models that others made, as programs of the reference engine."""

import sys
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
import torch

import torch_nacelle as nacelle
from torch_nacelle import Input
from torch_nacelle._models.onnx_source import OnnxSource, with_node_names

TWO_HEADS = Path("tests/data/two_heads/two_heads.onnx")
IMAGES = Input(min=(1, 3, 32, 32), opt=(2, 3, 32, 32), max=(4, 3, 32, 32))


def difference(first: str, second: str, extent: int | str = 4, operator: str = "Sub") -> bytes:
    """first - second, as an ONNX model that takes the two in this order."""
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node(operator, [first, second], ["difference"])],
        "difference",
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [extent]) for name in (first, second)],
        [helper.make_tensor_value_info("difference", onnx.TensorProto.FLOAT, [extent])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def test_a_parser_that_gives_numbers_of_nodes_is_helped_with_names() -> None:
    model = difference("first", "second")
    named = with_node_names("it failed; node 0: not supported; node 7: of a subgraph", model)
    assert named == "it failed; node 0 ('', operator Sub): not supported; node 7: of a subgraph"
    already = 'node 0 ("it", operator Sub): not supported'
    assert with_node_names(already, model) == already


def test_an_extent_of_minus_one_is_dynamic() -> None:
    source = OnnxSource(difference("first", "second", extent=-1))
    assert [one.shape for one in source.inputs] == [("?",), ("?",)]


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_model_becomes_a_program(tmp_path: Path, as_bytes: bool) -> None:
    source = TWO_HEADS.read_bytes() if as_bytes else TWO_HEADS
    program = nacelle.compile(source, [IMAGES], backend="reference", check=True)
    path = tmp_path / "program.ts"
    program.save(str(path))
    data = numpy.load("tests/data/two_heads/two_heads.npz")
    names = list(data)
    (engine,) = nacelle.read(path).engines
    assert engine.name == ("engine" if as_bytes else "two_heads")
    x = torch.from_numpy(data[names[0]])[:4]
    outputs = torch.jit.load(str(path))(x)
    assert [tuple(one.shape) for one in outputs] == [(len(x), 10), (len(x), 4)]


def test_fixed_shapes_need_no_inputs() -> None:
    program = nacelle.compile(difference("a", "b"), backend="reference", check=True)
    assert torch.equal(program(torch.full((4,), 5.0), torch.ones(4)), torch.full((4,), 4.0))
    names = [one[0] for one in [*program.engine_trt_engine.inputs(), *program.engine_trt_engine.outputs()]]
    assert names == ["a", "b", "difference"]


def test_inputs_by_name_keep_the_order_of_the_model() -> None:
    inputs = [Input(min=(1,), max=(4,), name="b"), Input(min=(1,), max=(4,), name="a")]
    program = nacelle.compile(difference("a", "b", "n"), inputs, backend="reference", check=True)
    assert torch.equal(program(torch.full((2,), 5.0), torch.ones(2)), torch.full((2,), 4.0))


def test_names_whose_numbers_tell_another_order_are_kept_in_the_record() -> None:
    program = nacelle.compile(difference("x_2", "x_1"), backend="reference", check=True)
    (engine,) = nacelle.read(program).engines
    assert (engine.abi_version, engine.input_names) == (4, ["x_2", "x_1"])
    assert torch.equal(program(torch.full((4,), 5.0), torch.ones(4)), torch.full((4,), 4.0))


def test_without_onnxruntime_the_check_translates(monkeypatch: pytest.MonkeyPatch) -> None:
    program = nacelle.compile(difference("a", "b"), backend="reference")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert nacelle.check(program, difference("a", "b")).passed
    with pytest.raises(nacelle.CheckError):
        nacelle.check(program, difference("a", "b", operator="Add"))


def test_a_cached_engine_of_a_model_is_the_same(tmp_path: Path) -> None:
    plans = [
        nacelle.build_engine(difference("a", "b"), backend="reference", engine_cache=tmp_path, name="net")
        for _ in range(2)
    ]
    assert plans[0] == plans[1]
    assert len(list(tmp_path.glob("*.plan"))) == 1


def reshape(extent: int | str = 12) -> bytes:
    """x in the shape that the values of target say."""
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "target"], ["y"]), helper.make_node("Neg", ["x"], ["z"])],
        "reshape",
        [
            helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [extent]),
            helper.make_tensor_value_info("target", onnx.TensorProto.INT64, [2]),
        ],
        [
            helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["a", "b"]),
            helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, [extent]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def target(**values: Any) -> Input:
    return Input(shape=(2,), dtype=torch.int64, name="target", **values)


def test_values_that_decide_about_shapes() -> None:
    wide = target(min_values=(1, 1), opt_values=(3, 4), max_values=(12, 12))
    program = nacelle.compile(reshape(), [Input(shape=(12,)), wide], backend="reference", check=True)
    x = torch.arange(12.0)
    for shape in ([3, 4], [4, 3], [1, 12], [12, 1], [2, 6]):
        y, z = program(x, torch.tensor(shape))
        assert torch.equal(y, x.reshape(shape))
        assert torch.equal(z, -x)


def test_values_and_shapes_that_both_vary() -> None:
    inputs = [
        Input(min=[(2,), (12,)], opt=[(4,), (24,)], max=[(12,), (48,)], name="x"),
        target(min_values=[(1, 1), (2, 6)], opt_values=[(2, 2), (4, 6)], max_values=[(6, 2), (8, 6)]),
    ]
    program = nacelle.compile(reshape("n"), inputs, backend="reference", check=True)
    for extent, shape in ((4, [2, 2]), (12, [6, 2]), (48, [8, 6])):
        x = torch.arange(float(extent))
        y, z = program(x, torch.tensor(shape))
        assert torch.equal(y, x.reshape(shape))
        assert torch.equal(z, -x)


def test_the_check_stays_within_the_stated_values() -> None:
    one = target(min_values=(3, 4), opt_values=(3, 4), max_values=(12, 13))
    inputs = [Input(shape=(12,), name="x"), one]
    program = nacelle.compile(reshape(), inputs, backend="reference")
    report = nacelle.check(program, reshape(), inputs)
    assert {row.case for row in report.outputs} == {"optimization profile 0, min", "optimization profile 0, opt"}
    (note,) = report.notes
    assert note.startswith("left out: the original fails on optimization profile 0, max (float32 [12], int64 [2])")
    with pytest.raises(nacelle.InputError, match="fails on optimization profile 0, opt"):
        nacelle.check(program, reshape(), [Input(shape=(12,)), target(min_values=(1, 1), max_values=(5, 5))])


def test_usual_values_that_do_not_fit_are_told() -> None:
    with pytest.raises(nacelle.InputError, match=r'"target" \[2\]'):
        nacelle.build_engine(
            reshape(), [Input(shape=(12,)), target(min_values=(1, 1), max_values=(5, 5))], backend="reference"
        )


def with_outputs(*outputs: str, inputs: tuple[str, ...] = ("x",), nodes: bool = True) -> bytes:
    """A model with these outputs: "x" is an input, "c" a weight, "y" is relu(x), "x_output" is -x, "k" a constant."""
    helper = onnx.helper
    computed = [
        helper.make_node("Relu", ["x"], ["y"]),
        helper.make_node("Neg", ["x"], ["x_output"]),
        helper.make_node("Constant", [], ["k"], value=onnx.numpy_helper.from_array(numpy.full((2, 3), 7.0, "float32"))),
    ]

    def described(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2, 3])

    weight = onnx.numpy_helper.from_array(numpy.arange(6, dtype="float32").reshape(2, 3), "c")
    graph = helper.make_graph(
        computed if nodes else [],
        "g",
        [described(one) for one in inputs],
        [described(one) for one in outputs],
        [weight],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


@pytest.mark.parametrize(
    ("outputs", "names"),
    [
        (("x",), ["x_output_1"]),
        (("x", "y"), ["x_output_1", "y"]),
        (("y", "y", "y"), ["y", "y_output", "y_output_1"]),
        (("x", "x"), ["x_output_1", "x_output_2"]),
        (("x_output", "x"), ["x_output", "x_output_1"]),
        (("c",), ["c"]),
        (("k", "y", "c", "x"), ["k", "y", "c", "x_output_1"]),
        (("c", "c"), ["c", "c_output"]),
    ],
    ids=str,
)
def test_outputs_that_are_inputs_weights_or_other_outputs(
    outputs: tuple[str, ...], names: list[str], tmp_path: Path
) -> None:
    model = with_outputs(*outputs)
    (tmp_path / "model.onnx").write_bytes(model)
    x = torch.randn(2, 3)
    values = {
        "x": x, "y": torch.relu(x), "x_output": -x, "k": torch.full((2, 3), 7.0), "c": torch.arange(6.0).reshape(2, 3)
    }  # fmt: skip
    for source in (model, tmp_path / "model.onnx"):
        program = nacelle.compile(source, backend="reference", abi_version=9, check=True)
        found = program(x)
        found = found if isinstance(found, tuple) else (found,)
        assert all(torch.equal(one, values[name]) for one, name in zip(found, outputs, strict=True))
        assert nacelle.read(program).engines[0].output_names == names
    assert (tmp_path / "model.onnx").read_bytes() == model


def test_a_model_that_only_passes_its_inputs_on() -> None:
    program = nacelle.compile(with_outputs("w", "x", inputs=("x", "w"), nodes=False), backend="reference", check=True)
    x, w = torch.randn(2, 2, 3)
    assert all(torch.equal(one, other) for one, other in zip(program(x, w), (w, x), strict=True))


def test_other_models_are_built_from_their_own_bytes() -> None:
    model = with_outputs("y", "c")
    assert OnnxSource(model).model == model
    assert OnnxSource(TWO_HEADS).model == TWO_HEADS.read_bytes()


def test_a_model_that_onnxruntime_refuses_is_told() -> None:
    model = onnx.load_model_from_string(with_outputs("y"))
    model.graph.node.append(onnx.helper.make_node("Neg", ["x"], ["y"]))
    program = nacelle.compile(with_outputs("y"), backend="reference")
    with pytest.raises(
        nacelle.InputError, match=r"onnxruntime does not take the ONNX model: .*[Dd]uplicate definition"
    ):
        nacelle.check(program, model.SerializeToString())


def test_a_program_is_no_onnx_model(tmp_path: Path) -> None:
    torch.jit.script(torch.nn.ReLU()).save(str(tmp_path / "relu.ts"))
    with pytest.raises(
        nacelle.InputError, match=r"cannot be read as an ONNX model: .*zip archive: give what torch\.jit\.load"
    ):
        nacelle.compile(str(tmp_path / "relu.ts"), [torch.rand(2)], backend="reference")
