"""Writes of a module to tensors that it owns, seen by a mode of torch's dispatcher."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from torch_nacelle._models.state import StateError, refused_writes

X = torch.ones(2, 3)


class Counts(torch.nn.Module):
    """Counts its calls in a buffer."""

    calls: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls.add_(1)
        return x + self.calls


def test_a_write_is_refused() -> None:
    with refused_writes(Counts()) as run, pytest.raises(StateError, match='the attribute "calls"'):
        run(X)


def test_a_write_is_refused_beside_the_compiler() -> None:
    compiled = torch.nn.Linear(3, 3)
    compiled.compile(backend="eager")
    compiled(X)
    model = torch.nn.Sequential(compiled, Counts())
    with refused_writes(model) as run, pytest.raises(StateError, match=r'the attribute "1\.calls"'):
        run(X)
    with refused_writes(compiled) as run:
        assert torch.equal(run(X), compiled(X))


def test_the_compiler_is_not_imported() -> None:
    code = (
        "import sys, torch; from torch_nacelle._models.state import refused_writes\n"
        "with refused_writes(torch.nn.Linear(3, 3)) as run: run(torch.ones(2, 3))\n"
        "print('torch._dynamo' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"


def test_a_list_that_each_call_makes_anew_is_no_state() -> None:
    """The memory of what a call freed is that of what it makes next."""

    class Pyramid(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.levels: list[torch.Tensor] = []
            for _ in range(8):
                self.levels.append(torch.zeros(2, 3).add_(x))
            return torch.stack(self.levels).sum(0)

    module = Pyramid()
    for _ in range(10):  # an address comes back sooner or later
        module(X)
        with refused_writes(module) as run:
            assert torch.equal(run(X), X * 8.0)
