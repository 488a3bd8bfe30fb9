"""A write to a tensor of the module is refused before it is done: the module is left as it was."""

import itertools
from typing import Literal

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn

import torch_nacelle as nacelle
from tests.py.owners import (
    KeepsStatistics,
    Owner,
    WritesThroughAView,
    WritesToAnElementOfAList,
    WritesToAnEntryOfADict,
    WritesToAParameter,
    WritesToSeveral,
)
from torch_nacelle import Input
from torch_nacelle._build.onnx import export

X = torch.rand(2, 3)


class WritesThroughData(Owner):
    def forward(self, x: Tensor) -> Tensor:
        self.weight.data.add_(4)
        return x + self.weight


class WritesWithoutGradients(Owner):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.weight.add_(4)
        return x + self.weight


class WritesThroughDataOfABuffer(Owner):
    def forward(self, x: Tensor) -> Tensor:
        self.n.data.add_(4)
        return x * 2


class WritesToAViewInATuple(Owner):
    def __init__(self) -> None:
        super().__init__()
        self.held = ({"a": [torch.zeros(4, 3)[1:]]},)

    def forward(self, x: Tensor) -> Tensor:
        self.held[0]["a"][0][0].add_(4)
        return x * 2


class Assigns(Owner):
    """Its outputs do not show it."""

    def forward(self, x: Tensor) -> Tensor:
        self.n, y = self.n + 1, x
        return (y + self.n).clamp(0, 1)


class CatchesTheError(Owner):
    def forward(self, x: Tensor) -> Tensor:
        try:
            self.n.add_(1)
        except Exception:
            return x
        return x * 2


class Renormalizes(Owner):
    def forward(self, x: Tensor) -> Tensor:
        return x + F.embedding(torch.zeros(2, dtype=torch.int64), self.rows, max_norm=0.5)


UNTOUCHED = [
    WritesThroughData,
    WritesWithoutGradients,
    WritesThroughDataOfABuffer,
    WritesToAViewInATuple,
    CatchesTheError,
    Assigns,
    WritesToAnElementOfAList,
    WritesToAnEntryOfADict,
    WritesThroughAView,
    WritesToAParameter,
    KeepsStatistics,
]

# torch's compiler takes these and leaves their writes out of the script.
UNTOUCHED_BY_TRACES = [Renormalizes, WritesToSeveral]


def values_of(module: Owner) -> list[Tensor]:
    held = [*module.tensors, *module.named.values()]
    if isinstance(module, WritesToAViewInATuple):
        held += module.held[0]["a"]
    return [tensor.detach().clone() for tensor in [*module.parameters(), *module.buffers(), *held]]


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        *itertools.product(UNTOUCHED, ("trace", "auto", "onnx")),
        *itertools.product(UNTOUCHED_BY_TRACES, ("trace", "onnx")),
    ],
)
def test_a_refused_write_is_not_done(kind: type[Owner], way: Literal["trace", "auto", "onnx"]) -> None:
    module = kind()
    before = values_of(module)
    with pytest.raises(nacelle.InputError, match=r"forward changes the attribute .*; an engine keeps nothing"):
        if way == "onnx":
            export(module, [Input((2, 3), name="x")], opset=17, method="trace")
        else:
            nacelle.compile(module, [X], method=way)
    for now, then in zip(values_of(module), before, strict=True):
        assert torch.equal(now, then)


def test_the_path_of_a_tensor_in_a_container_is_told() -> None:
    for kind, path in ((WritesToAnElementOfAList, r"0\.tensors\[0\]"), (WritesToAnEntryOfADict, r"0\.named\['a'\]")):
        with pytest.raises(nacelle.InputError, match=f'forward changes the attribute "{path}";'):
            nacelle.compile(nn.Sequential(kind()), [X], method="trace")


def test_an_operator_that_runs_under_no_mode_is_searched_for_state_all_the_same() -> None:
    class Unruly(Owner):
        def forward(self, x: Tensor) -> Tensor:
            if torch.utils._python_dispatch._get_current_dispatch_mode() is not None:
                raise RuntimeError("not under a mode")
            self.count += 1
            return x + self.count

    with pytest.raises(nacelle.InputError, match='forward changes the attribute "count"'):
        nacelle.compile(Unruly(), [X], method="trace")
