"""Plans with something wrong are refused with an error of Nacelle's, or set up: cases from fixed seeds."""

from __future__ import annotations

from tests.py.fuzz_plan.fuzz import run
from tests.py.fuzz_plan.mutations import MUTATIONS, generate
from tests.py.fuzz_plan.seeds import sound_plans


def test_plans_are_refused_or_set_up() -> None:
    result = run(0, count=250, jobs=2)
    assert result.cases == 250
    assert not result.findings, "\n".join(f"seed {one.seed}: {one.kind}: {one.detail}" for one in result.findings)


def test_a_seed_gives_the_same_plan_each_time() -> None:
    plans = sound_plans()
    assert generate(5, plans, "written") == generate(5, plans, "written")
    assert len({generate(seed, plans, "written") for seed in range(100)}) > 80
    assert len(MUTATIONS) > 10
