"""Programs in one process run their own plans, also if size and hash of two plans are the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle  # noqa: F401, registers the class of the engines

FOLDER = Path(__file__).parents[1] / "data" / "same_hash"


def outputs(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    program = torch.jit.load(FOLDER / name)
    first, second = program(torch.ones(2, 8))
    return first, second


@pytest.mark.parametrize("order", [("one.ts", "other.ts"), ("other.ts", "one.ts")])
def test_plans_with_one_hash_are_not_mixed_up(order: tuple[str, str]) -> None:
    programs = {name: torch.jit.load(FOLDER / name) for name in order}  # both are there at once
    x = torch.ones(2, 8)
    first, second = programs["other.ts"](x)
    assert torch.equal(first, torch.full_like(first, 666.0))
    assert torch.equal(second, torch.full_like(second, -666.0))
    assert not torch.equal(programs["one.ts"](x)[0], first)


def test_a_program_that_is_loaded_after_another_one_is_gone_runs_its_own_plan() -> None:
    outputs("one.ts")
    first, _ = outputs("other.ts")
    assert torch.equal(first, torch.full_like(first, 666.0))
