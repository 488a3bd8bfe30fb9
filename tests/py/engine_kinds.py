"""Modules with engines of every kind, and the models that they compute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

import torch_nacelle as nacelle

X = torch.arange(6, dtype=torch.float32).view(2, 3) + 1
LARGER = torch.arange(15, dtype=torch.float32).view(5, 3) - 4
BATCHED = nacelle.Input(min=(1, 3), opt=(2, 3), max=(8, 3))


class Doubled(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2


class TwoOutputs(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x + 1, x.sum(1)


class Windows(torch.nn.Module):
    """Outputs whose sizes are other expressions of the batch size: (3 * n + 1) // 2 and 2 * n."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x.reshape(-1)[::2] * 2, torch.cat([x, -x])


class OtherDtypes(torch.nn.Module):
    """bool and int64."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x > 2, torch.argmax(x, 1)


class Half(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.half() * 2


class Positive(torch.nn.Module):
    """An output whose shape depends on values."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nonzero(x > 2)


class Hybrid(torch.nn.Module):
    """Two parts that become engines, and operators of torch between and around them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(3, 4)
        self.scale = torch.nn.Parameter(torch.full((4,), 3.0))
        self.second = TwoOutputs()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sums, totals = self.second(torch.relu(self.first(x + 1)) * self.scale)
        return sums + totals.unsqueeze(1)


@dataclass(frozen=True)
class Case:
    """A model, and the module with engines in it."""

    model: torch.nn.Module
    module: torch.nn.Module


def of(model: torch.nn.Module) -> Case:
    dependent = ["output_0"] if isinstance(model, Positive) else []
    return Case(model, nacelle.compile(model, [BATCHED], data_dependent=dependent, container="module"))


def hybrid() -> Case:
    torch.manual_seed(0)
    model = Hybrid().eval()
    middle = nacelle.Input(min=(1, 4), opt=(2, 4), max=(8, 4))
    return Case(model, nacelle.compile(model, {"first": [BATCHED], "second": [middle]}, container="module"))


KINDS: dict[str, Callable[[], Case]] = {
    "one output": lambda: of(Doubled()),
    "two outputs": lambda: of(TwoOutputs()),
    "other sizes": lambda: of(Windows()),
    "bool and int64": lambda: of(OtherDtypes()),
    "half": lambda: of(Half()),
    "data-dependent": lambda: of(Positive()),
    "hybrid": hybrid,
}
