"""Exported programs under guards: an engine takes only sizes for which the program is right."""

import functools
from typing import Any

import pytest
import torch
from torch.export import Dim

import torch_nacelle as nacelle
from torch_nacelle import Input

compile_ = functools.partial(nacelle.compile, backend="reference")


def exported(module: torch.nn.Module, *shapes: tuple[int, ...], dims: Any = None) -> torch.export.ExportedProgram:
    """A program exported with sizes that torch finds: the first of each input varies, or those of `dims`."""
    dynamic = tuple({0: Dim.AUTO} for _ in shapes) if dims is None else dims
    return torch.export.export(module.eval(), tuple(torch.rand(shape) for shape in shapes), dynamic_shapes=dynamic)


def rows(low: int, opt: int, high: int, *rest: int) -> Input:
    return Input(min=(low, *rest), opt=(opt, *rest), max=(high, *rest))


class TwoStates(torch.nn.Module):
    """A mean over rows that is right for two: its state fixes their number."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x + torch.zeros(2, 1)).sum(0) / 2.0


class AllButFive(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2.0 if x.shape[0] == 5 else x + 1.0


class BelowSix(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2.0 if x.shape[0] < 6 else x + 1.0


class EvenBranch(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2.0 if x.shape[0] % 2 == 0 else x + 1.0


class Pairs(torch.nn.Module):
    """It fails for an odd number of rows, and has a guard that says so."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(-1, 2, 4).sum(1)


class OtherSize(torch.nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x.sum(0) * 2.0 if x.shape[0] != y.shape[0] else x.sum(0) + y.sum(0)


class Sum(torch.nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x + y


class State(torch.nn.Module):
    """A recurrent network with a state of the batch's size."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(4, 3, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        zeros = torch.zeros(1, x.shape[0], 3)
        y: torch.Tensor = self.lstm(x, (zeros, zeros))[0]
        return y


def test_a_size_that_torch_fixed_is_fixed() -> None:
    program = exported(TwoStates(), (2, 4))
    assert not isinstance(next(n for n in program.graph.nodes if n.name == "x").meta["val"].shape[0], int)
    with pytest.raises(nacelle.InputError) as caught:
        compile_(program, [rows(1, 2, 4, 4)])
    assert caught.value.reason.startswith("input 'input_0': dimension 0 is 2 in the ExportedProgram, and inputs says 1")
    assert "'x': {0: torch.export.Dim(\"b\", min=1, max=4)}" in caught.value.reason
    torch.testing.assert_close(compile_(program)(torch.ones(2, 4)), torch.ones(4))


@pytest.mark.parametrize(
    ("module", "shapes", "inputs", "words"),
    [
        (AllButFive(), [(4, 4)], [rows(1, 3, 8, 4)], r"only if x.size\(\)\[0\] != 5, which .* for x \[5, 4\]; give"),
        (AllButFive(), [(4, 4)], [rows(1, 3, 5, 4)], r"for x \[5, 4\] \(max of optimization profile 0\)"),
        (AllButFive(), [(4, 4)], [Input((5, 4))], r"for x \[5, 4\] \(fixed shapes\)"),
        (AllButFive(), [(4, 4)], [rows(1, 3000, 9000, 4)], r"for x \[5, 4\]; give"),
        (EvenBranch(), [(4, 4)], [rows(2, 4, 8, 4)], r"only if x.size\(\)\[0\] % 2 == 0, .* for x \[3, 4\]; give"),
        (
            OtherSize(),
            [(4, 4), (5, 4)],
            [rows(2, 4, 6, 4), rows(3, 5, 8, 4)],
            r"only if x.size\(\)\[0\] != y.size\(\)\[0\], .* for x \[5, 4\], y \[5, 4\]; give",
        ),
        (Sum(), [(4, 4), (4, 4)], [rows(1, 2, 4, 4), rows(2, 2, 4, 4)], r"x \[1, 4\], y \[2, 4\] \(min of optimiza"),
        (
            BelowSix(),
            [(4, 4)],
            [rows(1, 3, 8, 4)],
            "dimension 0 is 2 to 5 in the ExportedProgram, and inputs says 1 to 8",
        ),
    ],
)
def test_a_range_with_a_size_that_a_guard_refuses_is_refused(
    module: torch.nn.Module, shapes: list[tuple[int, ...]], inputs: list[Input], words: str
) -> None:
    with pytest.raises(nacelle.InputError, match=words):
        compile_(exported(module, *shapes), inputs)


def test_optimization_profiles_may_leave_a_size_out() -> None:
    program = exported(AllButFive(), (3, 4))
    around = Input(min=[(1, 4), (6, 4)], opt=[(2, 4), (7, 4)], max=[(4, 4), (9, 4)])
    made = compile_(program, [around], check=True)
    for batch in (1, 4, 6):
        torch.testing.assert_close(made(torch.ones(batch, 4)), torch.ones(batch, 4) + 1.0)


def test_a_size_at_which_the_program_cannot_run_may_lie_between() -> None:
    made = compile_(exported(Pairs(), (4, 4)), [rows(4, 6, 8, 4)], check=True)
    for batch in (4, 6, 8):
        torch.testing.assert_close(made(torch.ones(batch, 4)), torch.full((batch // 2, 4), 2.0))
    with pytest.raises(nacelle.Error):
        made(torch.ones(5, 4))


def test_sizes_that_are_computed_of_one_another_go_together() -> None:
    class Halves(torch.nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return x.reshape(-1, 2) + y

    half = Dim("half", min=3, max=8)
    program = exported(Halves(), (8,), (4, 1), dims=({0: 2 * half}, {0: half}))
    made = compile_(program, [rows(6, 8, 12), rows(3, 4, 6, 1)], check=True)
    torch.testing.assert_close(made(torch.ones(10), torch.ones(5, 1)), torch.full((5, 2), 2.0))
    with pytest.raises(nacelle.InputError, match=r"which does not hold for x \[6\], y \[4, 1\] \(min of optimization"):
        compile_(program, [rows(6, 8, 12), rows(4, 4, 6, 1)])


@pytest.mark.parametrize("module", [State(), torch.nn.Linear(4, 2), torch.nn.TransformerEncoderLayer(4, 2, 8)])
def test_one_is_tried_where_torch_recorded_two_or_more(module: torch.nn.Module) -> None:
    program = exported(module, (3, 5, 4))
    assert any(bounds.lower == 2 for bounds in program.range_constraints.values())
    made = compile_(program, [rows(1, 2, 4, 5, 4)], check=True)
    for batch in (1, 3, 4):
        x = torch.rand(batch, 5, 4)
        torch.testing.assert_close(made(x), module(x))


def test_the_remedy_is_named_if_one_cannot_run() -> None:
    class TakesTheSecond(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + x[1]

    program = exported(TakesTheSecond(), (3, 4))
    with pytest.raises(nacelle.InputError) as caught:
        compile_(program, [rows(1, 2, 4, 4)])
    for words in (
        "dimension 0 is 2 or more in the ExportedProgram, and inputs says 1 to 4; it fails on inputs of the shapes "
        "x [1, 4] (min of optimization profile 0): IndexError: ",
        "'x': {0: torch.export.Dim(\"b\", min=1, max=4)}",
    ):
        assert words in caught.value.reason


@pytest.mark.parametrize("dim", [Dim.AUTO, Dim.DYNAMIC, Dim("b", min=3), Dim("b", min=3, max=9)])
def test_no_message_shows_a_number_that_stands_for_no_bound(dim: Any) -> None:
    module = AllButFive() if dim in (Dim.AUTO, Dim.DYNAMIC) else torch.nn.Linear(4, 2)
    program = exported(module, (4, 4), dims=({0: dim},))
    for inputs in ([rows(1, 6, 10, 4)], [Input((5, 4))], [rows(1, 2, 3, 4)], None):
        try:
            compile_(program, inputs)
        except nacelle.InputError as error:
            assert "46116860" not in error.reason
            assert "92233720" not in error.reason


def test_the_check_finds_sizes_that_a_guard_refuses() -> None:
    program = exported(AllButFive(), (3, 4))
    made = compile_(program, [rows(1, 2, 4, 4)])
    with pytest.raises(
        nacelle.InputError, match=r"right only if x.size\(\)\[0\] != 5, which does not hold for x \[5, 4\]"
    ):
        nacelle.check(made, program, [torch.ones(5, 4)])
