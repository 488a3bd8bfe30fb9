"""The values that build_engine passes to the builder: options, profiles, names, the choice of builder, progress."""

import contextlib
import logging
import os
import pty
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

import torch_nacelle as nacelle
from tests.py.networks import Detector, Quantized, TwoHeads, seeded
from torch_nacelle import _C, Input
from torch_nacelle._build.onnx import export

IMAGES = Input(min=(1, 3, 8, 8), opt=(2, 3, 8, 8), max=(4, 3, 8, 8))
TWO_HEADS = Path("tests/data/two_heads/two_heads.onnx")
PLAN = Path("tests/data/two_heads/two_heads.trt8.5.3.1.sm90.plan")


@dataclass
class Builder:
    """A stand-in for what C++ finds and for what it builds with."""

    path: str = "/opt/libnvinfer.so.8"
    parser: str = "/opt/libnvonnxparser.so.8"
    release: str = "8.5.3.1"
    kind: str = "full"
    problem: str = ""
    onnx_opset: int = 17
    description: str = "TensorRT 8.5.3.1"
    calls: list[dict[str, Any]] = field(default_factory=list)
    work: Callable[[Any], None] = lambda _: None

    def build(self, *arguments: Any) -> tuple[bytes, bytes | None]:
        names = ("library", "parser", "onnx", "onnx_path", "name", "profiles", "options", "timing_cache", "progress")
        call = dict(zip(names, arguments, strict=True))
        self.calls.append(call)
        self.work(call["progress"])
        times = call["timing_cache"]
        return PLAN.read_bytes(), None if times is None else times + b"measured"

    @property
    def call(self) -> dict[str, Any]:
        (call,) = self.calls
        return call


def offer(monkeypatch: pytest.MonkeyPatch, *builders: Builder) -> None:
    def build(library: str, *arguments: Any) -> tuple[bytes, bytes | None]:
        return next(one for one in builders if one.path == library).build(library, *arguments)

    monkeypatch.setattr(_C, "builders", lambda path: [one for one in builders if path in ("", one.path)])
    monkeypatch.setattr(_C, "build_tensorrt", build)


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Builder]:
    one = Builder()
    offer(monkeypatch, one)
    yield one


def build(model: Any, inputs: Any = None, **kwargs: Any) -> bytes:
    return nacelle.build_engine(model, inputs, **{"backend": "tensorrt", **kwargs})


def test_the_builder_gets_model_profiles_and_options(builder: Builder) -> None:
    two = Input(min=[(1, 3, 8, 8), (5, 3, 8, 8)], opt=[(2, 3, 8, 8), (6, 3, 8, 8)], max=[(4, 3, 8, 8), (8, 3, 8, 8)])
    plan = build(
        seeded(TwoHeads),
        [two],
        name="net",
        fp16=True,
        fp32_layers=("/boxes/*",),
        tactic_sources=(),
        workspace=1 << 20,
        library=builder.path,
        output_names=["classes", "boxes"],
    )
    call = builder.call
    assert plan == PLAN.read_bytes()
    assert (call["library"], call["parser"], call["name"]) == (builder.path, builder.parser, "net")
    assert call["profiles"] == [
        {"input_0": ([1, 3, 8, 8], [2, 3, 8, 8], [4, 3, 8, 8])},
        {"input_0": ([5, 3, 8, 8], [6, 3, 8, 8], [8, 3, 8, 8])},
    ]
    assert call["options"] == {
        "fp16": True,
        "fp32_layers": ["/boxes/*"],
        "tactic_sources": [],
        "workspace": 1 << 20,
    }
    assert call["timing_cache"] is None
    graph = onnx.load_model_from_string(call["onnx"]).graph
    assert [one.name for one in graph.output] == ["classes", "boxes"]


def test_the_builder_gets_no_copies_of_weights(builder: Builder) -> None:
    images = Input(min=(1, 4, 16, 16), max=(4, 4, 16, 16), name="x")
    exported = export(seeded(Quantized), [images], opset=16).model  # as somebody else would export it
    for source in (seeded(Quantized), exported):
        builder.calls.clear()
        build(source, [images])
        nodes = onnx.load_model_from_string(builder.call["onnx"]).graph.node
        assert {node.op_type for node in nodes} >= {"QuantizeLinear", "Conv"}
        assert "Identity" not in {node.op_type for node in nodes}


@pytest.mark.parametrize(
    ("release", "kind", "reads", "written"),
    [
        ("8.5.3.1", "full", 17, 16),  # its parser lacks opset 17's LayerNormalization
        ("8.6.1.6", "full", 17, 17),
        ("10.15.1.29", "full", 24, 20),
        ("1.7.1.116", "TensorRT-RTX", 20, 20),
    ],
)
def test_the_opset_is_one_that_the_parser_reads(
    monkeypatch: pytest.MonkeyPatch, release: str, kind: str, reads: int, written: int
) -> None:
    builder = Builder(release=release, kind=kind, onnx_opset=reads)
    offer(monkeypatch, builder)
    build(seeded(TwoHeads), [IMAGES], backend="tensorrt" if kind == "full" else "tensorrt_rtx")
    proto = onnx.load_model_from_string(builder.call["onnx"])
    assert proto.opset_import[0].version == written


def test_int64_inputs_of_old_releases_are_told(builder: Builder, caplog: pytest.LogCaptureFixture) -> None:
    class Double(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 2

    build(Double(), [torch.ones(2, dtype=torch.int64)])
    assert "TensorRT 8.5.3.1 has no int64 tensors: the engine takes int32 for input_0" in caplog.text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fp61": True}, ['build option "fp61" is unknown; wanted one of fp16, ', "workspace", "library"]),
        ({"fp16": 1}, ["build option fp16 is 1; wanted True or False"]),
        ({"workspace": -1}, ["build option workspace is -1; wanted a number of bytes of 1 or more"]),
        ({"workspace": True}, ["workspace is True; wanted a number of bytes"]),
        ({"optimization_level": 6}, ["optimization_level is 6; wanted a whole number from 0 to 5"]),
        ({"avg_timing_iterations": 0}, ["avg_timing_iterations is 0; wanted a whole number from 1 to 2147483647"]),
        ({"max_aux_streams": 10**30}, [f"max_aux_streams is {10**30}; wanted a whole number from 0 to 2147483647"]),
        ({"tactic_sources": ["cuda"]}, ["tactic_sources is ['cuda']; wanted a list with any of cublas, "]),
        ({"tactic_sources": "cublas"}, ["tactic_sources is 'cublas'; wanted a list"]),
        ({"fp32_layers": "/head/*"}, ["fp32_layers is '/head/*'; wanted a list of one name or more"]),
        ({"fp32_layers": []}, ["fp32_layers is []; wanted a list of one name or more"]),
        ({"fp32_layers": [1]}, ["fp32_layers is [1]; wanted a list of one name or more"]),
        ({"hardware_compatibility": "all"}, ["is 'all'; wanted one of none, ampere_plus, same_compute_capability"]),
        ({"profiling_verbosity": None}, ["profiling_verbosity is None; wanted one of"]),
        ({"timing_cache": 3}, ["timing_cache is 3; wanted True, False or a folder's path"]),
        ({"library": 3}, ["library is 3; wanted a path"]),
        ({"strongly_typed": True, "fp16": True}, ["build options strongly_typed and fp16 contradict each other"]),
        (
            {"strongly_typed": True, "fp32_layers": ["*"]},
            ["build options strongly_typed and fp32_layers contradict each other"],
        ),
        ({"exclude_lean_runtime": True}, ["exclude_lean_runtime is given without version_compatible; wanted both"]),
    ],
)
@pytest.mark.parametrize("backend", ["tensorrt", "reference"])
def test_wrong_options_are_named_before_anything_is_built(
    builder: Builder, options: dict[str, Any], words: list[str], backend: str
) -> None:
    with pytest.raises(nacelle.InputError) as caught:
        build(seeded(TwoHeads), [IMAGES], backend=backend, **options)
    for word in words:
        assert word in str(caught.value)
    assert not builder.calls


def test_the_reference_engine_has_the_options_of_caches_only(tmp_path: Path) -> None:
    with pytest.raises(
        nacelle.InputError, match=r"build option fp16 is given for the reference engine .* leave fp16, tf32 out"
    ):
        build(seeded(TwoHeads), [IMAGES], backend="reference", fp16=True, tf32=False)
    build(seeded(TwoHeads), [IMAGES], backend="reference", timing_cache=tmp_path, engine_cache=tmp_path)


def test_auto_takes_the_reference_engine_without_a_gpu(
    builder: Builder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with caplog.at_level(logging.INFO, logger="torch_nacelle"):
        build(seeded(TwoHeads), [IMAGES], backend="auto")
    assert not builder.calls
    assert caplog.messages == ["engines are built by the reference engine: no CUDA device is here"]


def test_auto_takes_tensorrt_first(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    broken = Builder(path="/opt/libnvinfer.so.9", problem="cannot be opened")
    lean = Builder(path="/opt/libnvinfer_lean.so.8", kind="lean")
    rtx = Builder(path="/opt/libtensorrt_rtx.so", kind="TensorRT-RTX", description="TensorRT-RTX 1.7.1.116")
    full = Builder()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 9))
    for offered, taken in (([broken, lean, rtx, full], full), ([broken, rtx], rtx)):
        offer(monkeypatch, *offered)
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="torch_nacelle"):
            build(seeded(TwoHeads), [IMAGES], backend="auto")
        assert len(taken.calls) == 1
        assert caplog.messages == [
            f"engines are built by {taken.description} ({taken.path}): a CUDA device and this builder are here",
            "TwoHeads was exported to ONNX by torch's TorchScript exporter",
        ]


def test_auto_leaves_tensorrt_rtx_alone_on_gpus_that_it_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    rtx = Builder(path="/opt/libtensorrt_rtx.so", kind="TensorRT-RTX")
    offer(monkeypatch, rtx)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    build(seeded(TwoHeads), [IMAGES], backend="auto")
    assert not rtx.calls


def test_no_builder_is_told_with_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, Builder(problem="too old"), Builder(path="/opt/nvinfer2", parser=""))
    with pytest.raises(nacelle.LibraryError) as caught:
        build(seeded(TwoHeads), [IMAGES])
    for words in ("backend 'tensorrt'", "/opt/libnvinfer.so.8: too old", "/opt/nvinfer2: its ONNX parser", "library="):
        assert words in str(caught.value)
    with pytest.raises(nacelle.LibraryError, match="install the Python package tensorrt-rtx"):
        build(seeded(TwoHeads), [IMAGES], backend="tensorrt_rtx")
    with pytest.raises(nacelle.LibraryError, match="in /nowhere"):
        build(seeded(TwoHeads), [IMAGES], backend="auto", library="/nowhere")


def test_onnx_models_go_to_the_builder_as_they_are(builder: Builder) -> None:
    batch = Input(min=(1, 3, 32, 32), max=(4, 3, 32, 32))
    build(TWO_HEADS, [batch])
    build(TWO_HEADS.read_bytes(), [Input(min=(1, 3, 32, 32), max=(4, 3, 32, 32), name="input_0")])
    assert [call["onnx"] for call in builder.calls] == [TWO_HEADS.read_bytes()] * 2
    assert [call["onnx_path"] for call in builder.calls] == [str(TWO_HEADS), ""]
    assert builder.calls[0]["profiles"] == [{"input_0": ([1, 3, 32, 32], [4, 3, 32, 32], [4, 3, 32, 32])}]


def two_inputs() -> bytes:
    """a [n, 4] + b [1, 4], int64 c [2] unused by name."""
    helper = onnx.helper
    kinds = onnx.TensorProto
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["sum"])],
        "sum",
        [
            helper.make_tensor_value_info("a", kinds.FLOAT, ["n", 4]),
            helper.make_tensor_value_info("b", kinds.FLOAT, [1, 4]),
            helper.make_tensor_value_info("weight", kinds.FLOAT, [1]),
        ],
        [helper.make_tensor_value_info("sum", kinds.FLOAT, ["n", 4])],
        [helper.make_tensor("weight", kinds.FLOAT, [1], [1.0])],
    )
    return helper.make_model(graph).SerializeToString()


A = Input(min=(1, 4), max=(3, 4))


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (None, ["shape of the input a: float32 [n, 4] is not fixed", "nacelle.Input(min="]),
        ([A], ["takes 2 tensors (a: float32 [n, 4]; b: float32 [1, 4]), and inputs describes 1"]),
        ([A, Input(shape=(1, 4), name="c")], ["has no input 'c'", "it has: a: float32 [n, 4]; b"]),
        ([A, Input(shape=(1, 4), dtype=torch.int32)], ["has the input b: float32 [1, 4]", "it is int32"]),
        ([A, torch.ones(4)], ["b: float32 [1, 4], of 2 dimensions, and inputs describes 1: [4]"]),
        ([A, torch.ones(2, 4)], ["whose dimension 0 is fixed to 1, and inputs has 2 there"]),
        ([A, A], ["whose dimension 0 is fixed to 1, and inputs has a range there"]),
        ([Input(shape=(1, 4), name="a"), Input(shape=(1, 4), name="a")], ["two of inputs have the same name"]),
    ],
)
def test_inputs_that_contradict_an_onnx_model_are_found_before_the_builder(
    builder: Builder, inputs: Any, words: list[str]
) -> None:
    with pytest.raises(nacelle.InputError) as caught:
        build(two_inputs(), inputs)
    for word in words:
        assert word in str(caught.value)
    assert not builder.calls


def test_inputs_of_an_onnx_model_are_given_by_name_or_position(builder: Builder) -> None:
    build(two_inputs(), [Input(shape=(1, 4), name="b"), A])
    assert builder.call["profiles"] == [{"a": ([1, 4], [3, 4], [3, 4])}]


def test_what_is_no_onnx_model_is_told(builder: Builder, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(TWO_HEADS.read_bytes()[:-100])
    with pytest.raises(nacelle.InputError, match=r"broken\.onnx cannot be read as an ONNX model"):
        build(broken, [IMAGES])
    broken.write_bytes(b"")
    with pytest.raises(nacelle.InputError, match="no graph with outputs"):
        build(str(broken), [IMAGES])
    with pytest.raises(FileNotFoundError, match="there is no file"):
        build(tmp_path / "missing.onnx", [IMAGES])
    with pytest.raises(nacelle.InputError, match="is a folder"):
        build(tmp_path, [IMAGES])
    with pytest.raises(nacelle.InputError, match="output_names says x: leave output_names out"):
        build(two_inputs(), [A, torch.ones(1, 4)], output_names=["x"])


def test_weights_in_other_files_must_be_there(builder: Builder, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    proto = onnx.load_model_from_string(TWO_HEADS.read_bytes())
    onnx.save_model(proto, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    batch = Input(min=(1, 3, 32, 32), max=(4, 3, 32, 32))
    build(path, [batch])
    assert builder.call["onnx_path"] == str(path)
    with pytest.raises(nacelle.InputError, match=r"weights in the file 'weights\.bin'.*give the model's path"):
        build(path.read_bytes(), [batch])
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(nacelle.InputError, match=r"is in the file 'weights\.bin', and there is no such file in"):
        build(path, [batch])


def test_without_the_package_onnx_the_extra_is_named(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(nacelle.InputError, match=r"pip install torch-nacelle\[onnx\]"):
        build(TWO_HEADS, [IMAGES])
    with pytest.raises(nacelle.InputError, match="torch exports modules to ONNX with the package onnx"):
        build(seeded(TwoHeads), [IMAGES])


def test_profiles_of_inputs_must_agree(builder: Builder) -> None:
    two = Input(min=[(1, 4), (2, 4)], max=[(1, 4), (3, 4)])

    class Add(torch.nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return x + y[:1]

    with pytest.raises(
        nacelle.InputError, match="the same number of optimization profiles: input_0 has 1, input_1 has 2"
    ):
        build(Add(), [A, two])
    with pytest.raises(nacelle.InputError, match="two inputs have the name 'x'"):
        build(Add(), [Input(shape=(1, 4), name="x")] * 2)


def test_compile_hands_everything_on(builder: Builder) -> None:
    device = "0%9%0%0%NVIDIA H100 80GB HBM3"
    program = nacelle.compile(seeded(TwoHeads), [IMAGES], backend="tensorrt", device=device, fp16=True)
    (engine,) = nacelle.read(program).engines
    assert builder.call["options"] == {"fp16": True}
    assert builder.call["name"] == "TwoHeads"
    assert (engine.device, engine.abi_version, engine.plan_release) == (device, 3, "TensorRT 8.5.3.1")


def test_records_keep_what_the_engine_needs(builder: Builder) -> None:
    device = "0%9%0%0%NVIDIA H100 80GB HBM3"
    named = Input(min=(1, 3, 8, 8), max=(2, 3, 8, 8), name="image")
    common: dict[str, Any] = {"backend": "tensorrt", "device": device, "output_names": ["classes", "boxes"]}
    (engine,) = nacelle.read(nacelle.compile(seeded(TwoHeads), [named], **common)).engines
    assert (engine.abi_version, engine.input_names, engine.output_names) == (4, ["image"], ["classes", "boxes"])
    compatible = nacelle.compile(seeded(TwoHeads), [named], hardware_compatibility="ampere_plus", **common)
    (engine,) = nacelle.read(compatible).engines
    assert (engine.abi_version, engine.flags["hardware_compatible"]) == (5, True)


def test_onnx_models_are_whole_programs_only(builder: Builder) -> None:
    with pytest.raises(nacelle.InputError, match=r"a hybrid program is made from an nn\.Module, found PosixPath"):
        nacelle.compile(TWO_HEADS, {"a": [IMAGES]})
    with pytest.raises(nacelle.InputError, match=r"model must be an nn\.Module.*found int"):
        nacelle.compile(3, [IMAGES])  # type: ignore[call-overload]


def test_the_rest_of_a_hybrid_program_must_be_where_its_engines_run(builder: Builder) -> None:
    device = "0%9%0%0%NVIDIA H100 80GB HBM3"
    with pytest.raises(
        nacelle.InputError, match=r"engines of TensorRT 8\.5\.3\.1 run on cuda, and 'head\.box\.weight'"
    ):
        nacelle.compile(seeded(Detector), {"backbone": [IMAGES]}, backend="tensorrt", device=device)
    assert not builder.calls


@pytest.mark.parametrize("tells_progress", [True, False])
def test_ctrl_c_cancels_a_build(builder: Builder, tmp_path: Path, tells_progress: bool) -> None:
    seen: list[bool] = []

    def work(progress: Callable[[str, str, int, int], bool]) -> None:
        assert threading.current_thread() is not threading.main_thread()
        os.kill(os.getpid(), signal.SIGINT)
        deadline = time.monotonic() + (600.0 if tells_progress else 1.0)
        for step in range(10**6):
            if time.monotonic() > deadline:
                return
            if tells_progress and not progress("Building", "", step, 10**6):
                seen.append(False)
                raise nacelle.ExecutionError("cancelled")
            time.sleep(0.01)

    builder.work = work
    caches = {"engine_cache": tmp_path / "engines", "timing_cache": tmp_path / "timing"}
    with pytest.raises(KeyboardInterrupt):
        build(seeded(TwoHeads), [IMAGES], **caches)
    assert seen == ([False] if tells_progress else [])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_error_of_the_builder_comes_out(builder: Builder) -> None:
    def work(progress: object) -> None:
        raise nacelle.InputError("node 3 (Foo): not supported")

    builder.work = work
    with pytest.raises(nacelle.InputError, match=r"node 3 \(Foo\): not supported"):
        build(seeded(TwoHeads), [IMAGES])


def test_progress_is_shown_where_it_is_asked_for(builder: Builder, capfd: pytest.CaptureFixture[str]) -> None:
    def work(progress: Callable[[str, str, int, int], bool]) -> None:
        for step in range(4):
            assert progress("Tactics", "", step, 3)
            time.sleep(0.15)

    builder.work = work
    build(seeded(TwoHeads), [IMAGES], name="net", progress=False)
    build(seeded(TwoHeads), [IMAGES], name="net")
    assert capfd.readouterr() == ("", "")
    build(seeded(TwoHeads), [IMAGES], name="net", progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[:2] == ["building engine 'net'", "  Tactics"]
    assert re.fullmatch(r"  \d+\.\d s", lines[2])
    assert len(lines) == 3


def test_a_terminal_shows_bars(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(progress: Callable[[str, str, int, int], bool]) -> None:
        for step in range(3):
            assert progress("Tactics", "", step, 2)
            assert progress("Timing", "Tactics", 0, 5)
            time.sleep(0.15)
            assert progress("Timing", "Tactics", 5, 5)

    builder.work = work
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    ours, theirs = pty.openpty()
    shown: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(OSError):  # the other side was closed
            while True:
                shown.append(os.read(ours, 4096))

    reader = threading.Thread(target=read)
    with os.fdopen(theirs, "w") as terminal:
        reader.start()
        monkeypatch.setattr(sys, "stderr", terminal)
        build(seeded(TwoHeads), [IMAGES], name="net")
        build(seeded(TwoHeads), [IMAGES], name="quiet", progress=False)
        monkeypatch.undo()
    reader.join(30)
    os.close(ours)
    text = b"".join(shown).decode()
    for words in ("building engine 'net'", "  Tactics", "    Timing"):
        assert words in text
    assert "quiet" not in text
