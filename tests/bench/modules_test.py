"""The benchmark times the kinds of programs that it names; no figure is checked."""

import torch
import typer
from typer.testing import CliRunner

from bench import modules


def test_prints_a_row_for_each_kind() -> None:
    app = typer.Typer()
    app.command()(modules.main)
    result = CliRunner().invoke(app, ["--seconds", "0.02", "--rounds", "1"])
    assert result.exit_code == 0, result.output
    for name in ("TorchScript", "torch.ops", "nn.Module", "exported", "inductor", "guards", "identity"):
        assert name in result.output
    assert f"torch {torch.__version__}" in result.output


def test_the_guards_are_those_of_the_module() -> None:
    module = modules.OneOperator()
    torch._dynamo.reset()
    modules.compiled(module, "eager")
    assert modules.guards(module)(modules.X) is True
