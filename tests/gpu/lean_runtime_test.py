"""A program that Torch-TensorRT saved, on a GPU, with TensorRT's lean runtime of the plan's release.

NACELLE_NEWER_LEAN names a folder with libnvinfer_lean.so.11 of a later release.
"""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy
import pytest
import torch

import torch_nacelle as nacelle

FOLDER = Path(os.environ.get("NACELLE_UPSTREAM_DATA", ""))
NAME = "abi9_trt11.0.0_rtx5090.ts"

pytestmark = pytest.mark.skipif(
    not (FOLDER / NAME).is_file() or "NACELLE_TENSORRT_PATH" not in os.environ,
    reason="set NACELLE_UPSTREAM_DATA, and NACELLE_TENSORRT_PATH to a folder with libnvinfer_lean.so.11 of 11.0.0",
)


@pytest.fixture(scope="module")
def program() -> torch.jit.ScriptModule:
    return torch.jit.load(str(FOLDER / NAME))


def images() -> torch.Tensor:
    return torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(7)).cuda()


def assert_recorded(output: torch.Tensor) -> None:
    recorded = numpy.load(FOLDER / "abi9_conv_relu.npz")
    found = output.cpu()
    wanted = torch.from_numpy(recorded["output0_sample"])
    torch.testing.assert_close(found[:, :, ::37, ::37], wanted, rtol=1e-5, atol=1e-5)
    assert float(found.mean()) == pytest.approx(float(recorded["mean"]), rel=1e-5)
    assert float(found.std()) == pytest.approx(float(recorded["std"]), rel=1e-5)


def test_on_the_default_stream(program: torch.jit.ScriptModule) -> None:
    for _ in range(3):
        assert_recorded(program(images()))


def test_on_a_side_stream(program: torch.jit.ScriptModule) -> None:
    stream = torch.cuda.Stream()
    x = images()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        output = program(x)
    stream.synchronize()
    assert_recorded(output)


def test_work_before_and_after_is_ordered_on_the_default_stream(program: torch.jit.ScriptModule) -> None:
    wanted = program(images()).clone()
    for _ in range(50):
        x = torch.zeros(1, 3, 224, 224, device="cuda")
        torch.cuda._sleep(2_000_000)
        x += images()
        y = program(x) * 2.0
        del x
        torch.full((1, 3, 224, 224), 9.0, device="cuda")  # would take x's memory
        torch.testing.assert_close(y, wanted * 2.0)


def test_threads_share_the_engine(program: torch.jit.ScriptModule) -> None:
    wanted = program(images())
    torch.cuda.synchronize()
    wrong: list[int] = []

    def work() -> None:
        with torch.cuda.stream(torch.cuda.Stream()):
            x = images()
            wrong.extend(1 for _ in range(200) if not torch.allclose(program(x), wanted, atol=1e-5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_input_on_the_cpu_is_an_error(program: torch.jit.ScriptModule) -> None:
    with pytest.raises(nacelle.InputError, match="is on cpu; wanted cuda:0, where the engine runs"):
        program(images().cpu())


def test_the_engine_tells_where_it_runs(program: torch.jit.ScriptModule) -> None:
    (engine,) = nacelle.read(program).engines
    assert engine.plan_release == "TensorRT 11.0.0.114"


def test_another_release_is_named_with_what_is_here() -> None:
    other = torch.jit.load(str(FOLDER / "abi5_trt8.6.1_a100.ts"))
    with pytest.raises(nacelle.LibraryError) as caught:
        other(images())
    assert "TensorRT 8.6.1.6" in str(caught.value)
    assert "libnvinfer.so.8" in str(caught.value)


@pytest.mark.skipif("NACELLE_NEWER_LEAN" not in os.environ, reason="set NACELLE_NEWER_LEAN")
def test_a_newer_lean_runtime_is_asked_and_its_answer_told() -> None:
    # The plan brings no runtime of its release, so a newer one may refuse it; what it says is in the error then.
    code = (
        "import sys, torch, torch_nacelle as nacelle\n"
        "program = torch.jit.load(sys.argv[1])\n"
        "try:\n"
        "    program(torch.ones(1, 3, 224, 224, device='cuda'))\n"
        "except nacelle.LibraryError as error:\n"
        "    print(error)\n"
    )
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "NACELLE_TENSORRT_PATH": os.environ["NACELLE_NEWER_LEAN"],
    }
    command = [sys.executable, "-c", code, str(FOLDER / NAME)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert "TensorRT 11.0.0.114" in done.stdout
    assert re.search(r"libnvinfer_lean\.so\.11 .*it refused the plan: .", done.stdout)
