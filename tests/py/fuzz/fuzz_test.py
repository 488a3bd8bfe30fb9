"""Programs compute what made-up modules compute, or were refused: cases from fixed seeds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.py.fuzz.judge import Finding
from tests.py.fuzz.modules import generate
from tests.py.fuzz.reproducer import reproducer
from tests.py.fuzz.runner import Judged, Worker, run, shrink, summary
from tests.py.fuzz.steps import TABLE

COUNT = 150


def described(failed: list[Judged]) -> str:
    """A line for each fault, then small programs that reproduce the first of each kind."""
    lines = [
        f"seed {one.seed}: {fault.variant}: {fault.kind}: {fault.detail}"
        for one in failed
        for fault in one.answer.findings
    ]
    first: dict[tuple[str, str], tuple[int, Finding]] = {}
    for one in failed:
        for fault in one.answer.findings:
            first.setdefault(fault.identity, (one.seed, fault))
    with Worker() as worker:
        for seed, fault in list(first.values())[:5]:
            smallest = shrink(worker, seed, fault)
            lines.append(reproducer(generate(seed, frozenset(smallest.without)), smallest.finding))
    return "\n".join(lines)


def test_programs_compute_what_modules_compute() -> None:
    judged = list(run(range(COUNT), jobs=2))
    failed = [one for one in judged if one.answer.findings]
    if failed:
        report = described(failed)
        if place := os.environ.get("TEST_UNDECLARED_OUTPUTS_DIR"):
            (Path(place) / "faults.txt").write_text(report)
        raise AssertionError(report)
    for variant, outcomes in summary(judged).items():
        assert outcomes["equal"] > COUNT / 6, f"{variant}: few modules were compiled at all: {dict(outcomes)}"


def test_a_seed_gives_the_same_module_each_time() -> None:
    assert generate(5).text == generate(5).text
    assert len({generate(seed).text.split("\n", 1)[1] for seed in range(100)}) > 90


def test_a_feature_that_is_left_out_leaves_the_others_as_they_are() -> None:
    for seed in range(30):
        whole = generate(seed)
        for feature in whole.features:
            smaller = generate(seed, frozenset([feature]))
            assert feature not in smaller.features
            steps = {one for one in whole.features if ", step " in one or "returns" in one}
            assert steps - {feature} <= set(smaller.features), (seed, feature)


def test_every_step_is_used() -> None:
    texts = "\n".join(generate(seed).text for seed in range(4000))
    for kind, (steps, _) in TABLE.items():
        for step in steps if kind != "cast" else ():
            fixed = max(_pieces(step.forward), key=len)
            assert fixed in texts, f"{kind}: {step.forward!r} is in none of 4000 modules"


def _pieces(template: str) -> list[str]:
    """The parts of a template between its places and the ends of its lines."""
    for place in ("{k}", "{n}", "{d}", "{{", "}}", "\n"):
        template = template.replace(place, "\0")
    return [piece.strip() for piece in template.split("\0")]


def test_what_reproduces_a_fault_runs_by_itself(tmp_path: Path) -> None:
    finding = Finding("script", "values", "call a opt, b opt, a max: result is 1; wanted 2")
    seed = next(seed for seed in range(100) if _is_compiled(seed))
    program = tmp_path / "reproducer.py"
    program.write_text(reproducer(generate(seed), finding))
    ended = subprocess.run(
        [sys.executable, program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=tmp_path,
    )
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    starts = [line.split(" tensor")[0].rsplit(" ", 1)[0] for line in lines if " wanted " in line or " found " in line]
    assert len(starts) == 6, ended.stdout


def _is_compiled(seed: int) -> bool:
    from tests.py.fuzz.judge import judge

    return judge(generate(seed), variants=["script"]).outcomes["script"] == "equal"
