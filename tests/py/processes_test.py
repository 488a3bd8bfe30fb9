"""Programs in several processes: forked, spawned, and workers of torch's DataLoader."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle

LONG = 1 << 18  # so many elements that torch shares the work among threads


class Long(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 + 1


@pytest.fixture(autouse=True, scope="module")
def threads() -> Iterator[None]:
    """Threads of OpenMP, on a machine with one CPU too."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def program() -> torch.jit.ScriptModule:
    return nacelle.compile(Long(), [nacelle.Input(min=(1, LONG), opt=(2, LONG), max=(4, LONG))], name="long")


@pytest.fixture(scope="module")
def saved(program: torch.jit.ScriptModule, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("programs") / "long.ts"
    program.save(str(path))
    return path


def call(program: Any, rows: int = 2) -> None:
    outputs = nacelle.call(program, [torch.full((rows, LONG), 3.0)])
    assert outputs.shape == (rows, LONG)
    assert bool((outputs == 7).all())


def load_and_call(path: Path) -> None:
    program = nacelle.load(path)
    nacelle.warm_up(program)
    call(program)


def in_child(body: Callable[[], None]) -> int:
    """Runs `body` in a child of os.fork; returns how it ended: 0 if it raised nothing."""
    child = os.fork()
    if child == 0:
        signal.alarm(120)  # ends a child that hangs
        try:
            body()
        except BaseException as error:
            print(error, file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run(context: Any, target: Callable[..., None], *arguments: object) -> int | None:
    """Runs `target` in a process of multiprocessing; returns its exit status, None if it hangs."""
    process = context.Process(target=target, args=arguments)
    process.start()
    process.join(120)
    status: int | None = process.exitcode
    process.kill()
    process.join()
    return status


def test_a_forked_child_calls_the_programs_of_its_parent(program: torch.jit.ScriptModule, saved: Path) -> None:
    module = nacelle.compile(torch.nn.Linear(8, 4), [torch.rand(2, 8)], container="module")
    x = torch.rand(2, 8)
    wanted = module(x)
    call(program)

    def body() -> None:
        call(program)
        call(program, rows=4)
        assert torch.equal(module(x), wanted)
        nacelle.configure(program, max_contexts=2)
        call(program, rows=1)
        load_and_call(saved)  # a program that this process loads itself
        torch.mm(torch.ones(600, 600), torch.ones(600, 600))  # torch's own operators, in threads
        assert torch.get_num_threads() == 4
        assert in_child(lambda: call(program)) == 0

    assert in_child(body) == 0
    assert in_child(body) == 0
    call(program)


def test_multiprocessing_forks(program: torch.jit.ScriptModule) -> None:
    call(program)
    assert run(multiprocessing.get_context("fork"), call, program) == 0


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_that_load_the_program_themselves(saved: Path, method: str) -> None:
    assert run(multiprocessing.get_context(method), load_and_call, saved) == 0


class Rows(torch.utils.data.Dataset[torch.Tensor]):
    """Rows that an engine makes in the workers."""

    def __init__(self, program: torch.jit.ScriptModule) -> None:
        self._program = program

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> torch.Tensor:
        output: torch.Tensor = self._program(torch.full((1, LONG), float(index)))
        return output[0, :3].clone()


def test_workers_of_a_data_loader(program: torch.jit.ScriptModule) -> None:
    call(program)
    loader = torch.utils.data.DataLoader(
        Rows(program), batch_size=2, num_workers=2, multiprocessing_context="fork", timeout=120
    )
    assert [batch[:, 0].tolist() for batch in loader] == [[1, 3], [5, 7], [9, 11]]


def test_a_child_that_is_another_program(program: torch.jit.ScriptModule) -> None:
    call(program)
    assert subprocess.run([sys.executable, "-c", "print(1)"], check=True, stdout=subprocess.PIPE).stdout == b"1\n"
    call(program)


def test_a_gpu_in_a_forked_child(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    with pytest.raises(nacelle.DeviceError, match=r"cannot load the program on cuda: this process was forked .*spawn"):
        nacelle.load(saved, "cuda")
