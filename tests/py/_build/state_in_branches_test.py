"""State in a branch that no made-up input takes: a run does not show it, and a trace loses it with the branch."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn

import torch_nacelle as nacelle
from tests.py.owners import Owner
from torch_nacelle import Input
from torch_nacelle._build.onnx import export


class WritesIfAny(Owner):
    def forward(self, x: Tensor) -> Tensor:
        if bool((x > 0).any()):
            self.n.add_(1)
        return x + self.n


class WritesThroughAViewIfLarge(Owner):
    def forward(self, x: Tensor) -> Tensor:
        if float(x.sum()) > 1000.0:
            self.rows[1:].view(3).mul_(2)
        return x + self.rows[0]


class WritesToAListIfLarge(Owner):
    def forward(self, x: Tensor) -> Tensor:
        if float(x.sum()) > 1000.0:
            self.tensors[1].copy_(self.n)
        return x + self.tensors[1]


class CountsIfLarge(Owner):
    def forward(self, x: Tensor) -> Tensor:
        if float(x.sum()) > 1000.0:
            self.count += 1
        return x + self.count


class ReassignsIfLarge(Owner):
    def forward(self, x: Tensor) -> Tensor:
        if float(x.sum()) > 1000.0:
            self.n = self.n + x[0]
        return x + self.n


class WritesWhileLarge(Owner):
    def forward(self, x: Tensor) -> Tensor:
        while float(x.sum()) > 1000.0:
            self.n.add_(1)
            x = x / 2
        return x + self.n


class KeepsStatisticsIfLarge(Owner):
    def forward(self, x: Tensor) -> Tensor:
        if float(x.sum()) > 1000.0:
            return F.batch_norm(x, self.n, self.rows[0], None, None, True)
        return x


# Made-up inputs do not take the branch: the first has no element at opt, others are never so large.
IN_A_BRANCH = [
    (WritesIfAny, Input(min=(0, 3), opt=(0, 3), max=(4, 3))),
    (WritesThroughAViewIfLarge, Input((2, 3))),
    (WritesToAListIfLarge, Input((2, 3))),
    (CountsIfLarge, Input((2, 3))),
    (ReassignsIfLarge, Input((2, 3))),
    (WritesWhileLarge, Input((2, 3))),
    (KeepsStatisticsIfLarge, Input((2, 3))),
]


@pytest.mark.parametrize("nested_in", [False, True])
@pytest.mark.parametrize(("kind", "x"), IN_A_BRANCH)
def test_state_in_a_branch_that_no_made_up_input_takes_is_refused(
    kind: type[nn.Module], x: Input, nested_in: bool, recwarn: pytest.WarningsRecorder
) -> None:
    module: nn.Module = nn.Sequential(nn.Identity(), kind()) if nested_in else kind()
    for method in ("auto", "script"):
        with pytest.raises(nacelle.InputError, match=r"^forward changes the attribute .*; an engine keeps nothing"):
            nacelle.build_engine(module, [x], backend="reference", method=method)
    assert not [one for one in recwarn if issubclass(one.category, nacelle.TracingWarning)]


@pytest.mark.parametrize(("kind", "x"), IN_A_BRANCH[1:])
def test_state_in_such_a_branch_is_refused_on_the_way_to_onnx(kind: type[nn.Module], x: Input) -> None:
    for method in ("auto", "script"):
        with pytest.raises(nacelle.InputError, match=r"^forward changes the attribute .*; an engine keeps nothing"):
            export(kind(), [Input(x.shape, name="x")], opset=17, method=method)


class FillsATableOnce(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        table = self.table
        if table is None:
            table = torch.arange(3.0).sin()
            self.table = table
        return x + table


class GrowsATable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = torch.arange(8.0)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] > self.table.shape[0]:
            self.table = torch.arange(float(x.shape[0]))
        return x + self.table[: x.shape[0], None]


@pytest.mark.parametrize("kind", [FillsATableOnce, GrowsATable])
def test_a_table_that_values_decide_nothing_about_is_no_state(
    kind: type[nn.Module], recwarn: pytest.WarningsRecorder
) -> None:
    x = Input(min=(1, 3), opt=(4, 3), max=(8, 3), name="x")
    program = nacelle.compile(kind(), [x])
    for rows in (1, 4, 8):
        shaped = torch.rand(rows, 3)
        torch.testing.assert_close(program(shaped), kind()(shaped))
    assert export(kind(), [x], opset=17).output_names == ("output_0",)
    assert not [one for one in recwarn if issubclass(one.category, nacelle.TracingWarning)]


class WritesIfLong(Owner):
    """Rows that opt has not, and a signature that torch does not script."""

    def forward(self, x: Tensor, *rest: Tensor) -> Tensor:
        if x.shape[0] > 4:
            self.n.add_(1)
        return x + self.n


class WritesToAListIfLong(Owner):
    def forward(self, x: Tensor, *rest: Tensor) -> Tensor:
        if x.shape[0] > 4:
            self.tensors[0].mul_(2)
        return x + self.tensors[0]


TWO_PROFILES = Input(min=[(0, 3), (3, 3)], opt=[(0, 3), (4, 3)], max=[(3, 3), (6, 3)], name="x")
LONG = Input(min=(1, 3), opt=(2, 3), max=(8, 3), name="x")


@pytest.mark.parametrize(
    ("kind", "x"), [(WritesIfAny, TWO_PROFILES), (WritesIfLong, LONG), (WritesToAListIfLong, LONG)]
)
def test_state_that_another_shape_of_a_profile_shows_is_refused_to_a_trace(kind: type[Owner], x: Input) -> None:
    for method in ("trace", "auto"):
        module = kind()
        with pytest.raises(nacelle.InputError, match=r"^forward changes the attribute .*; an engine keeps nothing"):
            nacelle.build_engine(module, [x], backend="reference", method=method)
        assert not module.n.any()
        if x is LONG:  # a builder takes no empty input
            with pytest.raises(nacelle.InputError, match=r"^forward changes the attribute .*; an engine keeps nothing"):
                export(kind(), [x], opset=17, method=method)
