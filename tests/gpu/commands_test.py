"""The commands on a GPU: two_heads with TensorRT 8.5.3.1, and a program of Torch-TensorRT with 11.0.0.114.

The second needs a folder with libnvinfer_lean.so.11 beside the first in NACELLE_TENSORRT_PATH.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch

DATA = Path("tests/data/two_heads").absolute()
UPSTREAM = Path(os.environ.get("NACELLE_UPSTREAM_DATA", ""))
ABI_9 = UPSTREAM / "abi9_trt11.0.0_rtx5090.ts"

pytestmark = pytest.mark.skipif(
    "NACELLE_TENSORRT_PATH" not in os.environ,
    reason="set NACELLE_TENSORRT_PATH to a folder with libnvinfer.so.8 of 8.5.3",
)

needs_upstream = pytest.mark.skipif(
    not ABI_9.is_file(), reason="set NACELLE_UPSTREAM_DATA to the folder of Torch-TensorRT's programs"
)


def nacelle(*arguments: str | Path, code: int = 0) -> str:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "torch_nacelle", *map(str, arguments)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("programs") / "two_heads.ts"
    nacelle("embed", DATA / "two_heads.trt8.5.3.1.sm90.plan", "-o", path, "--name", "two_heads", "--abi", "9")
    return path


def test_run(program: Path, tmp_path: Path) -> None:
    given = f"input_0={DATA / 'two_heads.npz'}:input_0"
    facts = json.loads(nacelle("run", program, "--input", given, "-o", tmp_path / "out.npz", "--json"))
    assert facts["device"].startswith("cuda")
    with numpy.load(tmp_path / "out.npz") as found, numpy.load(DATA / "two_heads.npz") as wanted:
        for name in ("output_0", "output_1"):
            numpy.testing.assert_allclose(found[name], wanted[name], rtol=1e-3, atol=1e-4)


def test_check(program: Path) -> None:
    report = json.loads(nacelle("check", program, "--against", DATA / "two_heads.onnx", "--json"))
    assert report["passed"] is True
    cases = {one["case"] for one in report["outputs"]}
    assert cases == {f"optimization profile 0, {place}" for place in ("min", "opt", "max")}


def test_replace_compares_plans_that_can_be_set_up(program: Path, tmp_path: Path) -> None:
    plan = DATA / "two_heads.8profiles.trt8.5.3.1.sm90.plan"
    facts = json.loads(nacelle("replace", program, "two_heads", plan, "-o", tmp_path / "out.ts", "--json"))
    assert (facts["checked"], facts["why_unchecked"]) == (["names", "dtypes", "ranks"], "")
    nacelle("check", tmp_path / "out.ts", "--against", DATA / "two_heads.onnx")


def test_bench(program: Path, tmp_path: Path) -> None:
    arguments: list[str | Path] = ["--seconds", "4", "--threads", "1,2", "--plot", tmp_path / "plot.png", "--json"]
    facts = json.loads(nacelle("bench", program, *arguments))
    assert facts["device"] == torch.cuda.get_device_name()
    latency = facts["latency_ms"]
    assert all(0 < latency[what]["p50"] <= latency[what]["p99"] for what in ("host", "device", "end_to_end"))
    # Copies from and to the host come on top of what the device does.
    assert latency["end_to_end"]["p50"] > latency["host"]["p50"]
    assert facts["parts_ms"]["engine"] > facts["parts_ms"]["runtime"] > 0
    assert [one["threads"] for one in facts["throughput"]] == [1, 2]
    assert facts["memory_bytes"]["device_rise"] > 0
    assert facts["memory_bytes"]["device_peak"] > 0
    assert (tmp_path / "plot.png").stat().st_size > 10_000


def test_doctor(program: Path) -> None:
    facts = json.loads(nacelle("doctor", program, "--json"))
    machine = facts["machine"]
    assert machine["driver"]["problem"] == ""
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    assert [gpu["name"] for gpu in machine["driver"]["gpus"]] == gpus
    assert ("8.5.3.1", "full") in {(one["release"], one["kind"]) for one in machine["libraries"]}
    (engine,) = facts["engines"]
    assert engine["will_run"] is True
    assert engine["runs_on"].startswith("cuda:0 with TensorRT 8.5.3.1")
    assert gpus[0] in nacelle("doctor", program)


@needs_upstream
def test_doctor_on_programs_of_torch_tensorrt() -> None:
    (engine,) = json.loads(nacelle("doctor", ABI_9, "--json"))["engines"]
    assert engine["will_run"] is True
    assert "TensorRT 11.0.0.114" in engine["runs_on"]
    (engine,) = json.loads(nacelle("doctor", UPSTREAM / "abi5_trt8.6.1_a100.ts", "--json", code=1))["engines"]
    assert engine["will_run"] is False
    assert "TensorRT 8.6.1.6" in engine["reason"]
    assert "libnvinfer.so.8" in engine["reason"]


def convolution_of(program: torch.jit.ScriptModule) -> torch.nn.Conv2d:
    """The convolution of the program of Torch-TensorRT, which a ReLU follows: its weights, told by what it answers.

    A single value c in the image gives relu(c w + b) around it for each weight w of its channel; from two values of
    either sign follow w and b, since of c w + b and -c w + b one is positive if |c w| > |b|.
    """
    conv = torch.nn.Conv2d(3, 16, 3)
    biases = []

    def around(channel: int, value: float) -> torch.Tensor:
        x = torch.zeros(1, 3, 224, 224, device="cuda")
        x[0, channel, 100, 100] = value
        # The output at (98 + i, 98 + j) has the value under its weight (2 - i, 2 - j).
        return program(x)[0, :, 98:101, 98:101].flip(1, 2).cpu().double()

    with torch.no_grad():
        for channel in range(3):
            up, down = ([around(channel, sign * value) for value in (1024.0, 2048.0)] for sign in (1, -1))
            rises = up[0] > down[0]
            weight = torch.where(rises, up[1] - up[0], down[0] - down[1]) / 1024
            conv.weight[:, channel] = weight.float()
            biases.append(torch.where(rises, 2 * up[0] - up[1], 2 * down[0] - down[1]))
        assert conv.bias is not None
        conv.bias.copy_(torch.stack(biases, dim=1).flatten(1).median(dim=1).values.float())
    return conv


@needs_upstream
def test_check_of_a_program_of_torch_tensorrt(tmp_path: Path) -> None:
    import torch_nacelle  # noqa: F401  registers the engine's class

    conv = convolution_of(torch.jit.load(str(ABI_9)))
    network = torch.nn.Sequential(conv, torch.nn.ReLU()).eval()
    arguments: list[str | Path] = [ABI_9, "--against", tmp_path / "network.pt", "--precision", "tf32", "--json"]
    torch.jit.script(network).save(str(tmp_path / "network.pt"))
    assert json.loads(nacelle("check", *arguments))["passed"] is True
    with torch.no_grad():
        conv.weight[3] *= 1.1
    torch.jit.script(network).save(str(tmp_path / "network.pt"))
    assert json.loads(nacelle("check", *arguments, code=1))["passed"] is False


@needs_upstream
def test_a_program_of_torch_tensorrt(tmp_path: Path) -> None:
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(7))
    numpy.save(tmp_path / "x.npy", x.numpy())
    nacelle("run", ABI_9, "--input", f"x={tmp_path / 'x.npy'}", "-o", tmp_path / "out.npy")
    recorded = numpy.load(UPSTREAM / "abi9_conv_relu.npz")
    found = numpy.load(tmp_path / "out.npy")
    numpy.testing.assert_allclose(found[:, :, ::37, ::37], recorded["output0_sample"], rtol=1e-5, atol=1e-5)
    facts = json.loads(nacelle("bench", ABI_9, "--seconds", "2", "--threads", "1", "--json"))
    assert facts["inputs"] == [{"name": "x", "dtype": "float32", "shape": [1, 3, 224, 224]}]
    assert facts["latency_ms"]["device"]["p50"] > 0
