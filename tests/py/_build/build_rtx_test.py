"""Engines that TensorRT-RTX builds, on a machine with no GPU."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import Tensor, nn

import torch_nacelle as nacelle
from examples.speech.data import MODEL as SPEECH
from examples.speech.program import engine_inputs as speech_inputs
from tests.py.networks import Quantized
from torch_nacelle import _C

# Bazel puts the files of an external repository beside those of this one.
LIBRARY = Path(__file__).parents[3].parent / "tensorrt_rtx_1_7_1_116" / "files" / "tensorrt_rtx_libs"

# For whom the plans are said to be; nothing here looks at it.
DEVICE = "0%12%0%0%NVIDIA GeForce RTX 5090"


class TwoHeads(nn.Module):
    """A convolution with two outputs, the second smaller."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = torch.relu(self.conv(x))
        return y, self.head(y.mean(dim=(2, 3)))


class TransformerBlock(nn.Module):
    """Attention and a feed-forward part."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.TransformerEncoderLayer(32, 4, 64, activation="gelu", batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.block(x)
        return result


def convolutions() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 4, 1)
    )


def linear() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def fixed(*shape: int, dtype: torch.dtype = torch.float32) -> nacelle.Input:
    return nacelle.Input(shape=shape, dtype=dtype, name="x")


def ranged(low: tuple[int, ...], high: tuple[int, ...]) -> nacelle.Input:
    return nacelle.Input(min=low, opt=high, max=high, name="x")


NETWORKS: dict[str, tuple[Callable[[], nn.Module], nacelle.Input, list[str]]] = {
    "convolutions": (convolutions, fixed(1, 3, 16, 16), ["output_0"]),
    "transformer": (TransformerBlock, ranged((1, 4, 32), (2, 16, 32)), ["output_0"]),
    "dynamic batch": (linear, ranged((1, 8), (16, 8)), ["output_0"]),
    "two outputs": (TwoHeads, fixed(2, 3, 8, 8), ["output_0", "output_1"]),
    "fp16": (lambda: linear().half(), fixed(4, 8, dtype=torch.float16), ["output_0"]),
    "int8": (Quantized, ranged((1, 4, 16, 16), (4, 4, 16, 16)), ["output_0"]),
}


def build(module: nn.Module, inputs: list[nacelle.Input], **options: Any) -> bytes:
    return nacelle.build_engine(
        module.eval(),
        inputs,
        backend="tensorrt_rtx",
        library=LIBRARY,
        **options,
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_engines_are_built_saved_and_read_back(tmp_path: Path, name: str) -> None:
    make, described, outputs = NETWORKS[name]
    plan = build(make(), [described])
    program = nacelle.embed(plan, name="net", input_names=["x"], output_names=outputs, device=DEVICE, abi_version=4)
    path = tmp_path / "net.ts"
    program.save(str(path))
    (engine,) = nacelle.read(path).engines
    assert engine.plan == plan
    assert engine.plan_release == "TensorRT-RTX 1.7.1.116"
    assert (engine.input_names, engine.output_names) == (["x"], outputs)


def test_a_call_says_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "net.ts"
    program = nacelle.compile(
        linear().eval(),
        [fixed(4, 8)],
        backend="tensorrt_rtx",
        library=LIBRARY,
        device=DEVICE,
    )
    program.save(str(path))
    with pytest.raises(nacelle.DeviceError, match=r"NVIDIA GeForce RTX 5090[\s\S]*libcuda\.so\.1"):
        torch.jit.load(str(path))(torch.zeros(4, 8))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"fp16": True}, r"so convert the model \(model.half\(\)"),
        ({"bf16": True}, "wanted TensorRT 10: "),
        ({"int8": True}, r"wanted TensorRT 8\.5 to 10: "),
        ({"fp32_layers": ["*"]}, r"wanted TensorRT 8\.5 to 10: "),
        ({"strongly_typed": False}, "always have the dtypes of the model"),
        ({"tactic_sources": ["cudnn"]}, "tactic_sources with cudnn"),
        ({"exclude_lean_runtime": True}, "given without version_compatible"),
        ({"optimisation_level": 3}, 'build option "optimisation_level" is unknown'),
    ],
)
def test_options_that_the_release_lacks(options: dict[str, Any], said: str) -> None:
    with pytest.raises(nacelle.InputError, match=said):
        build(linear(), [fixed(4, 8)], **options)


def test_options_that_it_has() -> None:
    options: dict[str, Any] = {
        "tf32": False,
        "workspace": 1 << 30,
        "optimization_level": 1,
        "avg_timing_iterations": 2,
        "max_aux_streams": 0,
        "profiling_verbosity": "detailed",
        "hardware_compatibility": "ampere_plus",
        "tactic_sources": ["jit_convolutions"],
        "strongly_typed": True,
    }
    assert build(linear(), [fixed(4, 8)], **options).startswith(b"vtrt")


def model(operator: str, **attributes: Any) -> bytes:
    """An ONNX model of one operator, from x [-1, 4] to y."""
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operator, ["x"], ["y"], name="the_node", domain="", **attributes)],
        "graph",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 4])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
    )
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    made.ir_version = 8
    return bytes(made.SerializeToString())


def build_onnx(data: bytes | Path, inputs: list[nacelle.Input], **options: Any) -> bytes:
    return nacelle.build_engine(data, inputs, backend="tensorrt_rtx", library=LIBRARY, **options)


def test_onnx_models_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "relu.onnx"
    path.write_bytes(model("Relu"))
    from_file = build_onnx(path, [ranged((1, 4), (8, 4))])
    assert from_file.startswith(b"vtrt")


def test_a_fixed_shape_for_a_model_that_leaves_it_open() -> None:
    plan = build_onnx(model("Relu"), [fixed(3, 4)])
    program = nacelle.embed(plan, input_names=["x"], output_names=["y"], device=DEVICE, abi_version=4)
    assert nacelle.Program(program).engines[0].plan == plan
    assert build_onnx(model("Relu"), [fixed(3, 4)]) != build_onnx(model("Relu"), [fixed(5, 4)])


def test_an_operator_that_is_not_supported_is_named() -> None:
    with pytest.raises(nacelle.InputError, match=r'node 0 \("the_node", operator Unique\)'):
        build_onnx(model("Unique", axis=0), [ranged((1, 4), (8, 4))])


class Found(nn.Module):
    def forward(self, scores: Tensor) -> Tensor:
        return (scores > 0).nonzero()


class Detector(nn.Module):
    """A network whose last part takes the operator NonZero, which TensorRT-RTX has as a plugin only."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.heads = nn.ModuleList([nn.Linear(4, 2), nn.Linear(4, 2)])
        self.post = nn.Sequential(Found())

    def forward(self, x: Tensor) -> Tensor:
        features = self.backbone(x).mean(dim=(2, 3))
        result: Tensor = self.post(self.heads[0](features) + self.heads[1](features))
        return result


def test_a_refused_node_is_told_with_its_submodule_and_the_call_that_works() -> None:
    with pytest.raises(nacelle.InputError) as caught:
        build(Detector(), [ranged((1, 3, 8, 8), (4, 3, 8, 8))])
    assert "NonZero is of submodule 'post.0'; submodules without it can become engines" in str(caught.value)
    call = 'nacelle.compile(model, {"backbone": inputs, "heads.0": inputs, "heads.1": inputs})'
    assert call in str(caught.value)
    features = nacelle.Input(min=(1, 4), opt=(2, 4), max=(4, 4))
    parts = {"backbone": [ranged((1, 3, 8, 8), (4, 3, 8, 8))], "heads.0": [features], "heads.1": [features]}
    hybrid = nacelle.compile(Detector().eval(), parts, backend="reference")  # what is built for RTX runs nowhere here
    assert hybrid(torch.randn(2, 3, 8, 8)).shape[1] == 2
    for path, described in parts.items():
        assert build(Detector().get_submodule(path), described)


def test_equations_with_capital_letters_are_built() -> None:
    class Attention(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.einsum("bTd,bSd->bTS", x, x).softmax(-1)

    assert build(Attention(), [ranged((1, 4, 8), (2, 16, 8))])


def test_a_model_that_is_built_with_its_constant_parts_computed_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "torch_nacelle")
    (builder,) = _C.builders(str(LIBRARY))
    profile = {str(one.name): (list(one.shape),) * 3 for one in speech_inputs()}
    with pytest.raises(nacelle.ExecutionError, match="could not build the engine"):
        _C.build_tensorrt(builder.path, builder.parser, SPEECH.read_bytes(), "", "net", [profile], {}, None, None)
    plan = build_onnx(SPEECH, speech_inputs())
    assert "its constant parts computed by onnxruntime; as it is: TensorRT-RTX 1.7.1.116 could not build" in caplog.text
    program = nacelle.embed(plan, input_names=["input", "state", "sr"], output_names=["output", "stateN"],
                            device=DEVICE, abi_version=4)  # fmt: skip
    assert nacelle.Program(program).engines[0].plan == plan


def test_constant_parts_are_computed_as_the_option_says() -> None:
    with pytest.raises(nacelle.ExecutionError) as caught:
        build_onnx(SPEECH, speech_inputs(), fold_constants=False)
    assert "constant parts" not in caught.value.reason
    assert build_onnx(SPEECH, speech_inputs(), fold_constants=True).startswith(b"vtrt")
    quantized = onnx.load_model_from_string(model("DynamicQuantizeLinear"))
    quantized.graph.node[0].output.extend(["scale", "zero"])
    quantized.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    with pytest.raises(nacelle.InputError, match=r"fold_constants: the model is quantized.*leave the option out"):
        build_onnx(quantized.SerializeToString(), [fixed(3, 4)], fold_constants=True)


def reshaped(*nodes: onnx.NodeProto) -> bytes:
    """A model from x [12] and target [2] to y."""
    helper = onnx.helper
    graph = helper.make_graph(
        nodes,
        "reshaped",
        [
            helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [12]),
            helper.make_tensor_value_info("target", onnx.TensorProto.INT64, [2]),
        ],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["a", "b"])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)])
    made.ir_version = 8
    return bytes(made.SerializeToString())


def target(**values: Any) -> list[nacelle.Input]:
    return [nacelle.Input(shape=(12,), name="x"), nacelle.Input(shape=(2,), dtype=torch.int64, name="target", **values)]


def test_values_that_decide_about_shapes() -> None:
    model = reshaped(onnx.helper.make_node("Reshape", ["x", "target"], ["y"]))
    ranges = {"min_values": (1, 1), "opt_values": (3, 4), "max_values": (12, 12)}
    assert build_onnx(model, target(**ranges)).startswith(b"vtrt")
    several = {name: [value, (2, 6)] for name, value in ranges.items()}
    assert len(build_onnx(model, target(**several))) > 0
    with pytest.raises(nacelle.InputError, match=r'"target".*give its min, opt and max values'):
        build_onnx(model, target())


def test_values_of_an_input_that_decides_about_no_shape() -> None:
    nodes = [
        onnx.helper.make_node("Cast", ["target"], ["two"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("ReduceSum", ["two"], ["one"]),
        onnx.helper.make_node("Mul", ["x", "one"], ["y"]),
    ]
    with pytest.raises(nacelle.InputError, match=r"'target' was given values: they are for inputs whose values decide"):
        build_onnx(reshaped(*nodes), target(min_values=(1, 1), max_values=(12, 12)))


def test_both_failures_are_told() -> None:
    with pytest.raises(nacelle.InputError) as caught:
        build_onnx(model("Unique", axis=0), [fixed(3, 4)])
    assert caught.value.reason.count("operator Unique") == 2
    assert "with its constant parts computed first: " in caught.value.reason


def branches(decides: str) -> bytes:
    """y = x, or x [4, 3] in one row, as the values of x decide, or its shape."""
    shapes = (("kept", [4, 3]), ("row", [12]))
    nodes = [onnx.helper.make_node("Reshape", ["x", f"to_{name}"], [name]) for name, _ in shapes]
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes]
    kept, row = (
        onnx.helper.make_graph([node], node.output[0], [], [value]) for node, value in zip(nodes, values, strict=True)
    )
    options: dict[str, Any] = {"keepdims": 0} if decides == "ReduceSum" else {}
    condition = [
        onnx.helper.make_node(decides, ["x"], ["size"], **options),
        onnx.helper.make_node("Cast", ["size"], ["c"], to=onnx.TensorProto.BOOL),
        onnx.helper.make_node("If", ["c"], ["y"], then_branch=kept, else_branch=row),
    ]
    graph = onnx.helper.make_graph(
        condition,
        "graph",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [4, 3])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [onnx.helper.make_tensor(f"to_{name}", onnx.TensorProto.INT64, [len(shape)], shape) for name, shape in shapes],
    )
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 16)])
    made.ir_version = 8
    return bytes(made.SerializeToString())


def test_a_choice_by_values_says_that_nothing_could_be_computed_first() -> None:
    assert build_onnx(branches("Size"), [fixed(4, 3)]).startswith(b"vtrt")
    said = r"equal ranks[\s\S]*could not be computed first: the model chooses between branches by more than constants"
    with pytest.raises(nacelle.ExecutionError, match=said):
        build_onnx(branches("ReduceSum"), [fixed(4, 3)])


def test_without_onnxruntime_a_refusal_says_what_would_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(nacelle.ExecutionError, match="the package onnxruntime, which is not installed: pip install"):
        build_onnx(SPEECH, speech_inputs())


def test_a_broken_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(model("Relu")[:-20])
    with pytest.raises(nacelle.InputError, match=r"broken\.onnx"):
        build_onnx(path, [ranged((1, 4), (8, 4))])


@pytest.mark.parametrize(
    ("described", "said"),
    [
        (ranged((1, 5), (8, 5)), r"\[n, 4\]"),
        (ranged((1, 4, 1), (8, 4, 1)), "of 2 dimensions, and inputs describes 3"),
        (nacelle.Input(min=(1, 4), opt=(2, 4), max=(8, 4), name="z"), "no input"),
        (nacelle.Input(min=(1, 4), opt=(2, 4), max=(8, 4), name="x", dtype=torch.int32), "int32"),
    ],
    ids=["extent", "rank", "name", "dtype"],
)
def test_a_profile_that_contradicts_the_model(described: nacelle.Input, said: str) -> None:
    with pytest.raises(nacelle.InputError, match=said):
        build_onnx(model("Relu"), [described])


def test_threads_build_at_once() -> None:
    # Real parts in each thread: export, parser, builder.
    modules = [linear(), convolutions(), linear(), TwoHeads()]
    shapes = [fixed(4, 8), fixed(1, 3, 16, 16), fixed(2, 8), fixed(2, 3, 8, 8)]
    with ThreadPoolExecutor(max_workers=len(modules)) as pool:
        plans = list(pool.map(lambda module, shape: build(module, [shape]), modules, shapes))
    assert [plan[:4] for plan in plans] == [b"vtrt"] * len(plans)
    assert [len(plan) for plan in plans] == [len(build(m, [s])) for m, s in zip(modules, shapes, strict=True)]


@pytest.mark.parametrize("stop", [lambda *_: False, lambda *_: 1 / 0], ids=["false", "raises"])
def test_a_build_can_be_given_up(stop: Callable[..., bool]) -> None:
    (builder,) = _C.builders(str(LIBRARY))
    profile = {"x": ([1, 4], [4, 4], [8, 4])}
    with pytest.raises((nacelle.ExecutionError, ZeroDivisionError)) as caught:
        _C.build_tensorrt(builder.path, builder.parser, model("Relu"), "", "net", [profile], {}, None, stop)
    assert isinstance(caught.value, ZeroDivisionError) or "the build was cancelled" in str(caught.value)


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    # No file of the process may grow beyond this: writing more fails, as on a full disk.
    code = f"""
        import resource, signal
        import torch, torch_nacelle as nacelle
        module = torch.nn.Linear(8, 4).eval()
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        program = nacelle.compile(module, [nacelle.Input(shape=(4, 8))], backend="tensorrt_rtx",
            library={str(LIBRARY)!r}, device={DEVICE!r}, engine_cache={str(tmp_path / "cache")!r})
        print("built")
        nacelle.Program(program).save({str(tmp_path / "net.ts")!r})
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False, env=environment
    )
    assert "built" in done.stdout, done.stderr
    assert done.returncode == 1
    assert "net.ts" in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size] == []
