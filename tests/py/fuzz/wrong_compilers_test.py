"""The fuzzer notices what is wrong: each of the wrong compilers is reported, and one that is right is not."""

from __future__ import annotations

import pytest

from tests.py.fuzz import wrong_compilers
from tests.py.fuzz.judge import Finding, Subject, judge
from tests.py.fuzz.modules import generate
from tests.py.fuzz.runner import Worker, run, shrink

VARIANTS = ("script", "auto")


def findings(subject: Subject, seed: int) -> list[Finding]:
    return judge(generate(seed), subject, VARIANTS).findings


def test_what_is_right_is_not_reported() -> None:
    subject = wrong_compilers.Faithful()
    assert {seed: found for seed in range(100) if (found := findings(subject, seed))} == {}


@pytest.mark.parametrize(
    ("subject", "kinds", "features"),
    [
        (wrong_compilers.NoHooks, {"values", "shape", "state"}, "hook"),
        (wrong_compilers.NoPatches, {"values", "shape", "dtype"}, "patched forward"),
        (wrong_compilers.SharedState, {"state", "values"}, "state"),
        (wrong_compilers.KeptState, {"state", "values"}, ""),
        (wrong_compilers.ForgottenState, {"state", "values"}, "state"),
        (wrong_compilers.BareTensors, {"structure"}, "returns one"),
        (wrong_compilers.Tuples, {"structure"}, "list"),
        (wrong_compilers.OneDtype, {"dtype"}, ""),
        (wrong_compilers.Inaccurate, {"values"}, ""),
        (wrong_compilers.OneRow, {"shape"}, ""),
        (wrong_compilers.Training, {"values"}, ""),
        (wrong_compilers.WritesItsConstants, {"state", "values"}, ""),
        (wrong_compilers.ChangesModes, {"compile changes the source"}, ""),
        (wrong_compilers.ChangesBuffers, {"compile changes the source"}, "state"),
        (wrong_compilers.RemovesHooks, {"compile changes the source"}, "hook"),
        (wrong_compilers.RawErrors, {"compile raises AttributeError"}, ""),
        (wrong_compilers.RawErrorsOfCalls, {"call raises RuntimeError"}, ""),
        (wrong_compilers.SilentTraces, {"values", "shape"}, ""),
    ],
)
def test_what_is_wrong_is_reported(subject: type[Subject], kinds: set[str], features: str) -> None:
    """It is noticed in a module that has the feature, and in none that lacks it."""
    wrong = subject()
    noticed = 0
    for seed in range(200):
        found = {one.kind for one in findings(wrong, seed)} & kinds
        has_feature = any(features in one for one in generate(seed).features)
        assert has_feature or not found, (seed, found)
        noticed += bool(found)
        if noticed == 2:
            return
    raise AssertionError(f"noticed in {noticed} of 200 modules")


def test_a_case_that_fails_is_made_smaller() -> None:
    name = "tests.py.fuzz.wrong_compilers:NoHooks"
    judged = next(one for one in run(range(100), subject=name) if one.answer.findings)
    finding = judged.answer.findings[0]
    with Worker(name) as worker:
        failure = shrink(worker, judged.seed, finding)
    left = generate(judged.seed, frozenset(failure.without)).features
    assert len(left) < len(judged.answer.features)
    assert any("hook" in feature for feature in left)
    assert failure.finding.identity == finding.identity


def test_a_crash_is_reported_and_the_next_case_runs() -> None:
    with Worker("tests.py.fuzz.wrong_compilers:Crashes") as worker:
        for seed in (1, 2):
            (finding,) = worker.judge(seed).findings
            assert (finding.variant, finding.kind) == ("script", "crash"), finding


def test_a_hang_is_reported() -> None:
    with Worker("tests.py.fuzz.wrong_compilers:Hangs", patience=3) as worker:
        (finding,) = worker.judge(1).findings
        assert finding.kind == "hang"
