"""Programs on a GPU in several processes: what a forked child is told, and a GPU for each spawned worker."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from tests.gpu.two_heads import DYNAMIC, TwoHeads, assert_close, images

pytestmark = pytest.mark.skipif(
    "NACELLE_TENSORRT_PATH" not in os.environ,
    reason="set NACELLE_TENSORRT_PATH to a folder with libnvinfer.so.8 of 8.5.3",
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("programs") / "two_heads.ts"
    nacelle.embed(DYNAMIC.read_bytes(), name="two_heads").save(str(path))
    return path


def in_child(body: Callable[[], None]) -> str:
    """Runs `body` in a child of os.fork; returns the error that it raises."""
    asked, answered = os.pipe()
    child = os.fork()
    if child == 0:
        text = ""
        try:
            body()
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(answered, text.encode())
        os._exit(0)
    os.close(answered)
    with os.fdopen(asked) as pipe:
        text = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return text


def test_a_forked_child_is_told_what_happened(saved: Path) -> None:
    program = nacelle.load(saved)
    nacelle.warm_up(program)
    x = images(2, device="cuda")
    wanted = [tensor.double().cpu() for tensor in program(x)]
    for body in (lambda: program(x), lambda: nacelle.warm_up(program), lambda: nacelle.load(saved, "cuda")):
        error = in_child(body)
        assert "DeviceError: " in error and "was forked from one that had initialized CUDA" in error, error
        assert "spawn" in error
    assert_close(program(x), wanted)


def test_a_child_may_drop_the_program(saved: Path) -> None:
    programs = [nacelle.load(saved)]
    nacelle.warm_up(programs[0])
    assert in_child(programs.clear) == ""
    nacelle.warm_up(programs[0])


def worker(
    path: Path, visible: str | None, device: str | None, checked: "multiprocessing.Queue[Sequence[str]]"
) -> None:
    """Loads the program, checks a call of it, and tells the GPUs that it sees and the one that it runs on."""
    if visible is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible
    program = nacelle.load(path)
    if device is not None:
        nacelle.to(program, device)
    nacelle.warm_up(program)
    x = images(3, device=device or "cuda")
    outputs = program(x)
    assert_close(outputs, TwoHeads()(x))
    where = torch.cuda.get_device_properties(outputs[0].device)
    checked.put((str(torch.cuda.device_count()), str(outputs[0].device), str(getattr(where, "uuid", ""))))


def workers(saved: Path, given: list[tuple[str | None, str | None]]) -> list[Sequence[str]]:
    """Starts workers at once, and returns the answer of each."""
    context = multiprocessing.get_context("spawn")
    queues = [context.Queue() for _ in given]
    processes = [
        context.Process(target=worker, args=(saved, *how, queue)) for how, queue in zip(given, queues, strict=True)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
        assert process.exitcode == 0
    return [queue.get(timeout=10) for queue in queues]


def test_spawned_workers_on_one_gpu(saved: Path) -> None:
    nacelle.warm_up(nacelle.load(saved))  # CUDA of this process does not matter
    told = workers(saved, [("0", None), ("0", None)])
    assert [one[:2] for one in told] == [("1", "cuda:0")] * 2


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_a_gpu_for_each_worker(saved: Path) -> None:
    by_variable = workers(saved, [("0", None), ("1", None)])
    assert [one[:2] for one in by_variable] == [("1", "cuda:0")] * 2
    by_device = workers(saved, [(None, "cuda:0"), (None, "cuda:1")])
    assert [one[1] for one in by_device] == ["cuda:0", "cuda:1"]
    assert [one[2] for one in by_variable] == [one[2] for one in by_device]
    assert len({one[2] for one in by_device}) == 2


def test_a_fork_before_cuda(saved: Path) -> None:
    """In a process of its own, since this one uses CUDA."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=fork_and_load, args=(saved,))
    process.start()
    process.join(300)
    assert process.exitcode == 0


def fork_and_load(path: Path) -> None:
    """Loads and calls the program in two forked children."""

    def load_and_call() -> None:
        program = nacelle.load(path)
        nacelle.warm_up(program)
        assert program(images(2, device="cuda"))[0].is_cuda

    errors = [in_child(load_and_call) for _ in range(2)]
    sys.exit("\n".join(errors).strip() or 0)
