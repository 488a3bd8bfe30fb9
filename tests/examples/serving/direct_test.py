"""Direct calls of the shared program, and the measurement that all examples of serving use."""

import re
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

import torch_nacelle as nacelle
from examples.serving import direct
from examples.serving.figures import Figures, WrongAnswerError, header, measure
from examples.serving.program import MAX_BATCH, made_up_pictures, make_program, seeded_network
from tests.examples.program import call

REQUESTS = [[torch.full((2,), float(value))] for value in range(5)]


def double(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensor * 2 for tensor in tensors]


def test_every_client_sends_at_once_and_goes_round_the_requests() -> None:
    here = threading.Barrier(3, timeout=60)
    seen: set[float] = set()

    def send(tensors: Sequence[Tensor]) -> list[Tensor]:
        here.wait()  # passes only if three clients are in it
        seen.add(float(tensors[0][0]))
        return double(tensors)

    def stop_together(tensors: Sequence[Tensor]) -> list[Tensor]:
        try:
            return send(tensors)
        except threading.BrokenBarrierError:
            return double(tensors)  # the other clients have ended

    timer = threading.Timer(0.5, here.abort)
    timer.start()
    figures = measure(stop_together, REQUESTS, 3, 0.6, [double(one) for one in REQUESTS])
    timer.join()
    assert figures.clients == 3
    assert seen == {0, 1, 2, 3, 4}
    assert len(figures.latencies) >= 3 and all(took > 0 for took in figures.latencies)


def test_an_answer_of_another_request_is_noticed() -> None:
    def crossed(tensors: Sequence[Tensor]) -> list[Tensor]:
        return double(REQUESTS[0]) if bool(tensors[0][0] == 3) else double(tensors)

    with pytest.raises(WrongAnswerError, match=r"request 3, output 0 is off by 6 at most"):
        measure(crossed, REQUESTS, 2, 5, [double(one) for one in REQUESTS])
    with pytest.raises(WrongAnswerError, match=r"request 0, output 0 has the shape \[2\]; wanted \[3\]"):
        measure(double, REQUESTS[:1], 1, 5, [[torch.zeros(3)]])
    with pytest.raises(WrongAnswerError, match="request 0 got 1 tensors; wanted 2"):
        measure(double, REQUESTS[:1], 1, 5, [[torch.zeros(2)] * 2])


def test_the_first_error_of_a_client_is_raised() -> None:
    def fail(tensors: Sequence[Tensor]) -> list[Tensor]:
        raise ValueError("no server")

    with pytest.raises(ValueError, match="no server"):
        measure(fail, REQUESTS, 4, 1000)


def test_a_row_of_the_table() -> None:
    parts = [Figures(1, 2.0, (1.0, 3.0), {1: 2}), Figures(2, 1.0, (2.0, 2.0), {1: 1, 8: 1})]
    together = Figures.together(parts)
    assert together.row("direct") == "| direct | 3 | 2 | 2.00 | 2.97 | 1: 3, 8: 1 |"
    assert Figures(1, 1.0, (1.0,)).row("x") == "| x | 1 | 1 | 1.00 | 1.00 | not told |"
    assert all(line.count("|") == 7 for line in header().splitlines())


def test_the_program_is_the_network(tmp_path: Path) -> None:
    make_program(tmp_path / "pictures.ts", "reference")
    program = nacelle.load(tmp_path / "pictures.ts")
    (argument,) = nacelle.arguments(program)
    assert argument.input is not None
    assert (argument.input.name, argument.input.ranges[0].max) == ("images", (MAX_BATCH, 3, 64, 64))
    for count in (1, MAX_BATCH):
        pictures = made_up_pictures(count)
        torch.testing.assert_close(program(pictures), seeded_network()(pictures), atol=1e-5, rtol=1e-4)


def test_the_table(tmp_path: Path) -> None:
    ended = call(direct.app, "--seconds", "0.05", "--clients", "1", "--backend", "reference", folder=tmp_path)
    assert ended.status == 0, ended.error_text
    rows = re.findall(
        r"^\| (direct calls.*?) \| (\d+) \| [\d.]+ \| [\d.]+ \| [\d.]+ \| (\d): \d+ \|$", ended.output, re.M
    )
    assert rows == [
        ("direct calls, threads of one process", "1", "1"),
        ("direct calls, a process for each", "1", "1"),
        ("direct calls of eight pictures", "1", "8"),
    ]
