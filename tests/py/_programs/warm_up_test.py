"""Programs that are made ready."""

import threading
from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.networks import Detector, Head, seeded
from torch_nacelle import _C
from torch_nacelle._programs import warm_up as module_of_warm_up

BATCH = nacelle.Input(min=(1, 8), opt=(4, 8), max=(8, 8), name="x")
PROFILES = nacelle.Input(min=[(1, 8), (16, 8)], opt=[(4, 8), (24, 8)], max=[(8, 8), (32, 8)], name="x")


def calls_of_engines(program: Any, inputs: Any = None) -> int:
    """The number of calls of engines that warm_up makes."""
    with nacelle.profile(program) as profile:
        nacelle.warm_up(program, inputs)
    return sum(phase.name == "enqueue" for phase in profile.phases)


class Counting(torch.nn.Module):
    """Keeps the shapes that its program is called with."""

    def __init__(self, program: torch.nn.Module) -> None:
        super().__init__()
        self.program = program
        self.seen: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x.shape[0])
        output: torch.Tensor = self.program(x)
        return output


def test_the_engines_and_the_program_are_called_at_the_ends_of_every_profile() -> None:
    assert calls_of_engines(nacelle.compile(seeded(Head), [BATCH])) == 2 + 2
    assert calls_of_engines(nacelle.compile(seeded(Head), [PROFILES])) == 4 + 4
    assert calls_of_engines(nacelle.compile(seeded(Head), [torch.rand(1, 8)])) == 2 + 2


def test_every_kind_of_program(tmp_path: Path) -> None:
    module = nacelle.compile(torch.nn.Linear(8, 4), [BATCH], container="module")
    nacelle.save(module, tmp_path / "linear.pt2")
    for program in (module, nacelle.load(tmp_path / "linear.pt2"), torch.nn.Sequential(module, torch.nn.Softmax(1))):
        assert calls_of_engines(program) == 2 + 2


def test_a_chosen_optimization_profile_alone() -> None:
    program = nacelle.compile(seeded(Head), [PROFILES])
    nacelle.configure(program, optimization_profile=1)
    with nacelle.profile(program) as profile:
        nacelle.warm_up(program, [torch.rand(20, 8)])
    assert sum(phase.name == "enqueue" for phase in profile.phases) == 1


def test_a_program_that_does_not_tell_its_arguments() -> None:
    hybrid = nacelle.compile(seeded(Detector), {"head": [torch.rand(1, 8)]})
    assert calls_of_engines(hybrid) == 2
    assert calls_of_engines(hybrid, torch.rand(1, 3, 8, 8)) == 1


def test_given_inputs_are_called_once() -> None:
    program = Counting(nacelle.compile(seeded(Head), [BATCH]))
    nacelle.warm_up(program, {"x": torch.rand(5, 8)})
    nacelle.warm_up(program, [torch.rand(6, 8)])
    assert program.seen == [5, 6]


class Repeated(torch.nn.Module):
    def forward(self, x: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        return x.unsqueeze(1).expand(x.shape[0], int(count[0]), 3) + 0


def test_values_that_decide_about_shapes_are_those_of_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    count = nacelle.Input(
        shape=(1,), dtype=torch.int64, min_values=(1,), opt_values=(3,), max_values=(12,), name="count"
    )
    program = nacelle.compile(torch.jit.script(Repeated()), [nacelle.Input(shape=(2, 3), name="x"), count])
    # TensorRT tells them; the reference engine does not, since it reads no input on the host.
    monkeypatch.setattr(_C, "host_inputs", lambda _: [(1, [[[1], [3], [12]]])])
    assert nacelle.arguments(program)[1].input == count
    made = [nacelle.example_inputs(program, at=at, fill="zeros")["input_1"].tolist() for at in ("min", "opt", "max")]
    assert made == [[1], [3], [12]]
    given: list[list[int]] = []
    monkeypatch.setattr(module_of_warm_up, "call", lambda _, inputs: given.append(inputs["input_1"].tolist()))
    nacelle.warm_up(program)
    assert given == [[3]]


class Rows(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.rand(3, 4))

    def forward(self, indices: torch.Tensor) -> torch.Tensor:
        return torch.index_select(self.table, 0, indices)  # type: ignore[arg-type]


def test_a_call_that_fails() -> None:
    program = nacelle.compile(Rows(), [nacelle.Input(shape=(2,), dtype=torch.int64)])
    nacelle.warm_up(program)
    with pytest.raises(nacelle.ExecutionError, match="out of range"):
        nacelle.warm_up(program, [torch.tensor([0, 7])])


def test_an_engine_that_cannot_run_here() -> None:
    plan = b"ftrt" + bytes(20) + bytes([11, 0, 0, 114]) + bytes(100)
    device = "0%9%0%0%NVIDIA H100 80GB HBM3"
    program = nacelle.embed(plan, name="net", device=device, abi_version=9, input_names=["x"], output_names=["y"])
    with pytest.raises(nacelle.Error, match='engine "net" cannot run here'):
        nacelle.warm_up(program)


def test_what_is_no_program_or_no_input() -> None:
    with pytest.raises(nacelle.InputError, match="load the file"):
        nacelle.warm_up("head.ts")  # type: ignore[arg-type]
    with pytest.raises(nacelle.InputError, match="holds no program"):
        nacelle.warm_up(torch.nn.ReLU())
    with pytest.raises(nacelle.InputError, match="forward has no argument y"):
        nacelle.warm_up(nacelle.compile(seeded(Head), [BATCH]), {"y": torch.rand(1, 8)})


def test_while_other_threads_call() -> None:
    program = nacelle.compile(torch.nn.Linear(8, 4), [BATCH])
    x = torch.rand(3, 8)
    wanted = program(x)
    stop = threading.Event()
    wrong: list[torch.Tensor] = []

    def work() -> None:
        while not stop.is_set():
            found = program(x)
            if not torch.equal(found, wanted):
                wrong.append(found)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for _ in range(10):
        nacelle.warm_up(program)
    stop.set()
    for worker in workers:
        worker.join()
    assert not wrong
