"""TensorRT's builder on a GPU: what no other machine can build and run."""

from __future__ import annotations

import base64
import copy
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import Tensor, nn

import torch_nacelle as nacelle
from examples.common.fresh_process import run_in_fresh_process
from tests.py.networks import Quantized, seeded

pytestmark = pytest.mark.skipif(
    "NACELLE_TENSORRT_PATH" not in os.environ,
    reason="set NACELLE_TENSORRT_PATH to a folder with libnvinfer.so.8 of 8.5.3, its builder and its ONNX parser",
)

# The stand-ins for cuBLAS and cuDNN that lie beside the packed TensorRT trap when they are called.
OWN_KERNELS: dict[str, Any] = {"backend": "tensorrt", "tactic_sources": []}


def compiled(module: nn.Module, inputs: Any, **options: Any) -> torch.jit.ScriptModule:
    return nacelle.compile(module, inputs, **{**OWN_KERNELS, **options})


def images(batch: int = 2) -> list[nacelle.Input]:
    return [nacelle.Input(min=(1, 3, 16, 16), opt=(batch, 3, 16, 16), max=(4, 3, 16, 16))]


class Small(nn.Module):
    """A convolution with two outputs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = torch.relu(self.conv(x))
        return y, y.mean(dim=(2, 3))


def assert_close(found: Sequence[Tensor], wanted: Sequence[Tensor], relative: float) -> None:
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        assert a.shape == b.shape
        error = ((a.cpu().double() - b.cpu().double()).abs().max() / b.cpu().double().abs().max()).item()
        assert error < relative


def test_auto_takes_the_builder_that_is_here(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "torch_nacelle")
    plan = nacelle.build_engine(Small(), images(), tactic_sources=[])
    assert nacelle.Program(nacelle.embed(plan)).engines[0].plan_release == "TensorRT 8.5.3.1"
    assert "TensorRT 8.5.3.1" in caplog.text


@pytest.mark.parametrize(
    ("options", "relative"),
    [
        ({"tf32": False}, 1e-5),
        ({"fp16": True}, 1e-2),
        ({"workspace": 1 << 28, "profiling_verbosity": "detailed", "refittable": True, "tf32": False}, 1e-5),
    ],
    ids=["fp32", "fp16", "others"],
)
def test_a_program_runs_in_a_fresh_process(tmp_path: Path, options: dict[str, Any], relative: float) -> None:
    module = Small().eval()
    program = compiled(module, images(), check=True, **options)
    path = tmp_path / "program.ts"
    program.save(str(path))
    x = torch.randn(3, 3, 16, 16)
    with torch.no_grad():
        wanted = module(x)
    assert_close(run_in_fresh_process(path, [x], "cuda").outputs, wanted, relative)


def weight_types(engine: Any) -> list[str]:
    """The dtypes in which an engine's convolutions keep their weights."""
    return [
        layer["Weights"]["Type"] for layer in json.loads(engine.layer_information())["Layers"] if "Weights" in layer
    ]


def test_layers_that_stay_in_float32() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3)).eval().cuda()
    inputs = [nacelle.Input(shape=(8, 64, 64, 64))]
    options: dict[str, Any] = {"fp16": True, "tf32": False, "profiling_verbosity": "detailed", "name": "net"}
    half = compiled(module, inputs, **options)
    assert weight_types(half.net_trt_engine) == ["Half", "Half"]
    mixed = compiled(module, inputs, check=True, fp32_layers=["/0/*"], **options)
    assert weight_types(mixed.net_trt_engine) == ["Float", "Half"]
    x = torch.randn(8, 64, 64, 64, device="cuda")
    whole = compiled(module, inputs, fp32_layers=["/0/*", "/2/*"], **options)
    with torch.no_grad():
        assert_close([whole(x)], [copy.deepcopy(module).double()(x.double())], 1e-5)
    with pytest.raises(nacelle.InputError, match=r'fp32_layers has "/neck/\*", and none of the 3 layers.*"/0/Conv"'):
        compiled(module, inputs, fp32_layers=["/neck/*"], **options)


def test_options_that_the_release_lacks_are_refused() -> None:
    lacking: list[tuple[dict[str, Any], str]] = [
        ({"version_compatible": True}, "TensorRT 8.6 and later"),
        ({"bf16": True}, "TensorRT 10"),
        ({"optimization_level": 3}, "TensorRT 8.6 and later"),
        ({"strongly_typed": True}, "TensorRT 10.0 and later"),
    ]
    for options, said in lacking:
        with pytest.raises(nacelle.InputError, match=said):
            compiled(Small(), images(), **options)


def test_several_profiles(tmp_path: Path) -> None:
    shapes = nacelle.Input(
        min=[(1, 3, 16, 16), (1, 3, 32, 32)], opt=[(1, 3, 16, 16), (2, 3, 32, 32)], max=[(2, 3, 16, 16), (8, 3, 64, 64)]
    )
    module = Small().eval().cuda()
    program = compiled(module, [shapes], check=True, tf32=False)
    for shape in [(2, 3, 16, 16), (8, 3, 64, 64), (1, 3, 32, 48)]:
        x = torch.randn(shape, device="cuda")
        with torch.no_grad():
            assert_close(program(x), module(x), 1e-4)
    with pytest.raises(nacelle.InputError, match="profile"):
        program(torch.randn(9, 3, 64, 64, device="cuda"))


def test_hybrid_programs_copy_nothing_to_the_host() -> None:
    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = Small()
            self.head = nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            maps, means = self.backbone(x * 0.5)
            return torch.softmax(self.head(means), dim=1) + maps.amax(dim=(1, 2, 3)).unsqueeze(1)

    module = Whole().eval().cuda()
    program = compiled(module, {"backbone": images()}, tf32=False)
    x = torch.randn(2, 3, 16, 16, device="cuda")
    with torch.no_grad():
        assert_close([program(x)], [module(x)], 1e-4)
        torch.cuda.synchronize()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            program(x)
            torch.cuda.synchronize()
    events = [event.name for event in profile.events()]
    assert events
    assert [name for name in events if "HtoD" in name or "DtoH" in name] == []


def test_outputs_whose_shape_follows_from_values() -> None:
    class Positive(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return torch.nonzero(x > 0), x * 2

    module = Positive().eval()
    program = compiled(module, [nacelle.Input(min=(1, 4), opt=(4, 4), max=(8, 4))])
    for x in [torch.randn(8, 4), torch.ones(3, 4), -torch.ones(2, 4), torch.randn(1, 4)]:
        places, doubled = program(x.cuda())
        assert places.shape[1] == 2
        assert torch.equal(places.cpu().long(), torch.nonzero(x > 0))
        assert torch.equal(doubled.cpu(), x * 2)


def test_int64_is_int32_in_8_5() -> None:
    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(16, 8)

        def forward(self, places: Tensor) -> tuple[Tensor, Tensor]:
            return self.table(places), places + 1

    module = Rows().eval().cuda()
    program = compiled(module, [nacelle.Input(min=(1,), opt=(4,), max=(8,), dtype=torch.int64, name="places")])
    places = torch.tensor([3, 1, 15], device="cuda")
    with pytest.raises(nacelle.InputError, match=r"int32.*int64|int64.*int32"):
        program(places)
    rows, later = program(places.int())
    assert later.dtype == torch.int32
    assert torch.equal(later.long(), places + 1)
    assert torch.equal(rows, module(places)[0])
    nacelle.configure(program, convert_inputs=True)
    assert torch.equal(program(places)[0], rows)


def test_dtypes_of_8_5() -> None:
    class Mixed(nn.Module):
        def forward(self, half: Tensor, whole: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return half * 2, whole + 1, whole > 3

    inputs = [
        nacelle.Input(shape=(4, 5), dtype=torch.float16, name="half"),
        nacelle.Input(shape=(4, 5), dtype=torch.int32, name="whole"),
    ]
    program = compiled(Mixed().eval().cuda(), inputs, fp16=True)
    half, whole = torch.randn(4, 5, device="cuda").half(), torch.arange(20, device="cuda").reshape(4, 5).int()
    doubled, later, more = program(half, whole)
    assert (doubled.dtype, later.dtype, more.dtype) == (torch.float16, torch.int32, torch.bool)
    assert torch.equal(doubled, half * 2)
    assert torch.equal(later, whole + 1)
    assert torch.equal(more, whole > 3)


def test_int8_with_scales_of_the_model() -> None:
    module = seeded(Quantized).cuda()
    inputs = [nacelle.Input(min=(1, 4, 16, 16), opt=(2, 4, 16, 16), max=(4, 4, 16, 16), name="x")]
    options: dict[str, Any] = {"int8": True, "tf32": False, "profiling_verbosity": "detailed"}
    program = compiled(module, inputs, name="net", check=True, **options)
    x = torch.randn(4, 4, 16, 16, device="cuda")
    with torch.no_grad():
        assert_close([program(x)], [module(x)], 2e-2)
    assert weight_types(program.net_trt_engine) == ["Int8", "Int8"]


def test_an_input_whose_values_decide_about_shapes() -> None:
    node = onnx.helper.make_node("Reshape", ["x", "target"], ["y"])
    graph = onnx.helper.make_graph(
        [node],
        "reshape",
        [
            onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [12]),
            onnx.helper.make_tensor_value_info("target", onnx.TensorProto.INT64, [2]),
        ],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["a", "b"])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 16)])
    model.ir_version = 8
    data = model.SerializeToString()
    with pytest.raises(nacelle.InputError, match=r'"target".*give its min, opt and max values'):
        nacelle.build_engine(data, **OWN_KERNELS)
    target = nacelle.Input(
        shape=(2,),
        dtype=torch.int64,
        name="target",
        min_values=(1, 1),
        opt_values=(3, 4),
        max_values=(12, 12),
    )
    inputs = [nacelle.Input(shape=(12,), name="x"), target]
    program = nacelle.compile(data, inputs, check=True, **OWN_KERNELS)
    x = torch.arange(12.0, device="cuda")
    for shape in ([3, 4], [2, 6], [12, 1]):
        for device in ("cpu", "cuda"):
            values = torch.tensor(shape, dtype=torch.int32, device=device)
            assert torch.equal(program(x, values), x.reshape(shape))
    nacelle.warm_up(program)


def test_measured_times_and_engines_are_kept(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "timing_cache": tmp_path / "times",
        "engine_cache": tmp_path / "engines",
        **OWN_KERNELS,
    }
    module = Small().eval()
    start = time.perf_counter()
    first = nacelle.build_engine(module, images(), **options)
    took = time.perf_counter() - start
    assert [file for file in (tmp_path / "times").rglob("*") if file.is_file() and file.stat().st_size > 100]
    start = time.perf_counter()
    again = nacelle.build_engine(module, images(), **options)
    assert again == first
    print(f"built in {took:.2f} s, from the cache in {time.perf_counter() - start:.2f} s")
    other = nacelle.build_engine(module, images(3), **options)
    assert other != first


def test_what_the_parser_cannot_read_is_named() -> None:
    node = onnx.helper.make_node("Det", ["x"], ["y"], name="the_determinant")
    graph = onnx.helper.make_graph(
        [node],
        "det",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [3, 3])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 16)])
    model.ir_version = 8
    with pytest.raises(nacelle.InputError, match=r"node 0 \('the_determinant', operator Det\)"):
        nacelle.build_engine(model.SerializeToString(), **OWN_KERNELS)


class Cache(nn.Module):
    """A cache that grows by its input."""

    def forward(self, cache: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        return cache + x, x * 2


def test_a_record_binds_an_output_to_an_input() -> None:
    inputs = [nacelle.Input((4, 8), name="cache"), nacelle.Input((4, 8), name="x")]
    plan = nacelle.build_engine(Cache(), inputs, output_names=["new_cache", "doubled"], **OWN_KERNELS)
    (info,) = nacelle.Program(nacelle.embed(plan)).engines
    names = ["cache%x", "new_cache%doubled"]
    fields = ["10", "cache", info.device, base64.b64encode(plan).decode(), *names]
    fields += ["0", "", "linux_x86_64", "0", "0", "0", "new_cache@cache@user"]
    engine = torch.classes.tensorrt.Engine(fields)
    assert engine.why_not_ready() == ""
    x = torch.ones(4, 8, device="cuda")
    for stream in (torch.cuda.default_stream(), torch.cuda.Stream()):
        cache = torch.zeros(4, 8, device="cuda")
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                new_cache, doubled = torch.ops.tensorrt.execute_engine([cache, x], engine)
        stream.synchronize()
        assert new_cache.data_ptr() == cache.data_ptr()
        assert torch.equal(cache, torch.full_like(cache, 3))
        assert torch.equal(doubled, x * 2)
    with pytest.raises(nacelle.InputError, match="not contiguous"):
        torch.ops.tensorrt.execute_engine([torch.zeros(8, 4, device="cuda").t(), x], engine)
