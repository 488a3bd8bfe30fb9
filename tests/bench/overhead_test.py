"""The benchmark compares the programs that it names; no figure is checked."""

import os

import pytest
import torch
import typer
from typer.testing import CliRunner

import torch_nacelle as nacelle
from bench import overhead


class RefusesLarge(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert bool((x < 5).all()), "too large"
        return x + 1.0


def case(idle: bool) -> overhead.Case:
    return overhead.Case("", RefusesLarge(), RefusesLarge(), idle=idle)


def test_an_idle_engine_does_not_run_what_it_holds() -> None:
    large = torch.full((2, 2), 6.0)
    with pytest.raises(nacelle.ExecutionError, match="too large"):
        overhead.engine_of(case(idle=False), large[:1])(large[:1])
    idle = overhead.engine_of(case(idle=True), large)
    assert idle(large).shape == large.shape
    with pytest.raises(nacelle.InputError, match="float32"):
        idle(large.double())


def test_other_engines_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NACELLE_REFERENCE_LIBRARY", raising=False)
    x = torch.ones(1, 16)
    with overhead.idle_engines():
        assert os.environ["NACELLE_REFERENCE_LIBRARY"].endswith("bench/libidle_engine.so")
    assert "NACELLE_REFERENCE_LIBRARY" not in os.environ
    for real in (row for row in overhead.CASES if not row.idle):
        torch.testing.assert_close(overhead.engine_of(real, x)(x), real.direct(x))


def test_prints_a_row_for_each_case() -> None:
    app = typer.Typer()
    app.command()(overhead.main)
    result = CliRunner().invoke(app, ["--seconds", "0.05"])
    assert result.exit_code == 0, result.output
    for row in overhead.CASES:
        assert row.name in result.output
    assert f"torch {torch.__version__}" in result.output
