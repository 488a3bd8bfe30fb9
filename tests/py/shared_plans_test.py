"""Programs in one process run their own plans, also if name, size and std::hash of two plans are the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle

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


def engines() -> tuple[torch.ScriptObject, torch.ScriptObject]:
    plans = (nacelle.read(FOLDER / name).engines[0].plan for name in ("one.ts", "other.ts"))
    one, other = (nacelle.EngineModule(plan, name="net").engine for plan in plans)
    return one, other


def test_torch_compile_tells_the_plans_apart() -> None:
    one, other = engines()
    assert one.name() == other.name()  # type: ignore[attr-defined]
    torch._dynamo.reset()
    seen: list[str] = []

    def backend(graph: torch.fx.GraphModule, _inputs: object) -> object:
        seen.append("compiled")
        return graph.forward

    @torch.compile(backend=backend, fullgraph=True)
    def call(x: torch.Tensor, engine: torch.ScriptObject) -> torch.Tensor:
        first: torch.Tensor = torch.ops.tensorrt.execute_engine([x], engine)[0]
        return first + 1

    x = torch.ones(2, 8)
    assert not torch.equal(call(x, one), torch.full_like(x[:, :1], 667.0))
    assert call(x, other).unique().tolist() == [667.0]
    assert len(seen) == 2
    assert one.__obj_flatten__() != other.__obj_flatten__()  # type: ignore[attr-defined]
