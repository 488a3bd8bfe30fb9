"""Programs on a machine with two GPUs of one kind: the GPU that each takes and keeps, and both at work at once."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from tests.gpu.two_heads import DYNAMIC, EIGHT_PROFILES, TwoHeads, assert_close, images

pytestmark = [
    pytest.mark.skipif(
        "NACELLE_TENSORRT_PATH" not in os.environ,
        reason="set NACELLE_TENSORRT_PATH to a folder with libnvinfer.so.8 of 8.5.3",
    ),
    pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs"),
]

GPUS = [0, 1]


@pytest.fixture(scope="module")
def reference() -> TwoHeads:
    return TwoHeads()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program whose record names GPU 0."""
    path: Path = tmp_path_factory.mktemp("programs") / "two_heads.ts"
    with torch.cuda.device(0):
        nacelle.embed(DYNAMIC.read_bytes(), name="two_heads").save(str(path))
    (engine,) = nacelle.read(path).engines
    assert engine.device.startswith("0%")
    return path


def load_on(saved: Path, gpu: int) -> torch.jit.ScriptModule:
    with torch.cuda.device(gpu):
        return torch.jit.load(str(saved))


@pytest.mark.parametrize("gpu", GPUS)
@pytest.mark.parametrize("stream", ["default", "side"])
def test_a_program_runs_on_the_current_gpu(saved: Path, reference: TwoHeads, gpu: int, stream: str) -> None:
    program = load_on(saved, gpu)
    for batch in (1, 2, 7, 16):
        x = images(batch, device=f"cuda:{gpu}")
        torch.cuda.synchronize(gpu)
        with torch.cuda.device(gpu), torch.cuda.stream(None if stream == "default" else torch.cuda.Stream(gpu)):
            found = program(x)
            torch.cuda.current_stream(gpu).synchronize()
        assert {tensor.device for tensor in found} == {torch.device("cuda", gpu)}
        assert_close(found, reference(x))


@pytest.mark.parametrize("gpu", GPUS)
@pytest.mark.parametrize("current", GPUS)
def test_it_stays_there_whatever_is_current(saved: Path, reference: TwoHeads, gpu: int, current: int) -> None:
    program = load_on(saved, gpu)
    x = images(7, device=f"cuda:{gpu}")
    with torch.cuda.device(current):
        found = program(x)
        assert torch.cuda.current_device() == current
    assert {tensor.device for tensor in found} == {torch.device("cuda", gpu)}
    assert_close(found, reference(x))


@pytest.mark.parametrize("gpu", GPUS)
def test_inputs_on_the_other_gpu(saved: Path, reference: TwoHeads, gpu: int) -> None:
    program = load_on(saved, gpu)
    x = images(2, device=f"cuda:{1 - gpu}")
    with pytest.raises(nacelle.InputError, match=f"is on cuda:{1 - gpu}; wanted cuda:{gpu}, where the engine runs"):
        program(x)
    nacelle.configure(program, move_inputs=True)
    for _ in range(20):
        x = images(2, device=f"cuda:{1 - gpu}")
        torch.cuda._sleep(1_000_000)
        x *= 2  # under way when the program is called
        found = program(x)
        assert {tensor.device for tensor in found} == {torch.device("cuda", gpu)}
        assert_close(found, reference(x))


def test_a_move_and_back(saved: Path, reference: TwoHeads, tmp_path: Path) -> None:
    program = load_on(saved, 0)
    for gpu in (1, 0, 1):
        assert nacelle.to(program, f"cuda:{gpu}") is program
        x = images(16, device=f"cuda:{gpu}")
        assert_close(program(x), reference(x))
        (engine,) = nacelle.read(program).engines
        assert engine.device.startswith(f"{gpu}%")
        assert engine.plan == DYNAMIC.read_bytes()
    program.save(str(tmp_path / "moved.ts"))
    with torch.cuda.device(0):  # the current GPU is as good as the recorded one
        moved = torch.jit.load(str(tmp_path / "moved.ts"))
    x = images(3, device="cuda:0")
    assert_close(moved(x), reference(x))


def test_one_gpu_that_is_visible(saved: Path, reference: TwoHeads, tmp_path: Path) -> None:
    code = (
        "import sys, torch, torch_nacelle\n"
        "program = torch.jit.load(sys.argv[1])\n"
        "torch.save([y.cpu() for y in program(torch.load(sys.argv[2]).cuda())], sys.argv[3])\n"
    )
    x = images(7)
    torch.save(x.cpu(), tmp_path / "x.pt")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "CUDA_VISIBLE_DEVICES": "1"}
    files = [saved, tmp_path / "x.pt", tmp_path / "y.pt"]
    subprocess.run([sys.executable, "-c", code, *map(str, files)], check=True, env=environment)
    assert_close(tuple(torch.load(tmp_path / "y.pt")), reference(x))


@pytest.mark.parametrize("settings", [{}, {"shared_scratch": True}, {"pack_outputs": True}], ids=str)
def test_both_gpus_at_once(saved: Path, reference: TwoHeads, settings: dict[str, bool]) -> None:
    programs = [nacelle.configure(load_on(saved, gpu), **settings) for gpu in GPUS]  # type: ignore[arg-type]
    batches = [1, 2, 7, 16]
    inputs = [[images(batch, seed, f"cuda:{gpu}") for seed, batch in enumerate(batches)] for gpu in GPUS]
    wanted = [[[tensor.to(x.device) for tensor in reference(x)] for x in inputs[gpu]] for gpu in GPUS]
    for gpu in GPUS:
        torch.cuda.synchronize(gpu)
    problems: list[str] = []

    def work(gpu: int, default_stream: bool) -> None:
        try:
            stream = torch.cuda.default_stream(gpu) if default_stream else torch.cuda.Stream(gpu)
            with torch.cuda.device(gpu), torch.cuda.stream(stream):
                for i in range(500):
                    for left, right in zip(programs[gpu](inputs[gpu][i % 4]), wanted[gpu][i % 4], strict=True):
                        error = float((left.double() - right).norm() / right.norm())
                        if not error < 1e-5 or left.device != right.device:
                            problems.append(f"GPU {gpu}, call {i}: {error} on {left.device}")
        except Exception as error:
            problems.append(f"GPU {gpu}: {error!r}")

    threads = [threading.Thread(target=work, args=(gpu, default)) for gpu in GPUS for default in (False, True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_one_thread_that_changes_gpus(saved: Path, reference: TwoHeads) -> None:
    programs = [load_on(saved, gpu) for gpu in GPUS]
    inputs = [images(5, gpu, f"cuda:{gpu}") for gpu in GPUS]
    wanted = [reference(x) for x in inputs]
    for i in range(200):
        gpu = (i // 3) % 2
        found = programs[gpu](inputs[gpu])
        if i % 10 == 0:
            assert_close(found, wanted[gpu])


@pytest.mark.parametrize("gpu", GPUS)
def test_a_graph_and_a_profile(saved: Path, reference: TwoHeads, gpu: int) -> None:
    with torch.cuda.device(gpu):
        program = nacelle.embed(EIGHT_PROFILES.read_bytes(), name="two_heads")
        x = images(7, device=f"cuda:{gpu}")
        with torch.cuda.stream(torch.cuda.Stream(gpu)):
            program(x)
        graph = torch.cuda.CUDAGraph()
        # A stream of this GPU: left out, torch takes one of the GPU on which it captured first.
        with torch.cuda.graph(graph, stream=torch.cuda.Stream(gpu)):
            found = program(x)
        x.copy_(images(7, 5, f"cuda:{gpu}"))
        graph.replay()
        assert_close(found, reference(x))
        with nacelle.profile(program) as profile:
            program(x)
        assert profile.layers
        assert profile.layers[0].mean_ms > 0
