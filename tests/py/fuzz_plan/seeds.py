"""The sound plans that cases are made from."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch

import torch_nacelle as nacelle


class Pair(NamedTuple):
    first: torch.Tensor
    second: torch.Tensor


class Weighted(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.arange(12.0).view(4, 3).t()
        self.scale = torch.full((4,), 2.0)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.relu(x @ self.weight) * self.scale, x.sum(1)


class Branches(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = x
        for i in range(int(x.size(0))):
            total = total + i if bool(total.sum() > 2) else total - torch.tensor([[1.5], [2.5]])
        if float(x.sum()) < -1e6:
            raise ValueError(f"negative: {x.size(0)} rows")
        return total


class Tuples(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> Pair:
        parts = [x, x + 1, x * 2]
        return Pair(torch.cat(parts), torch.stack(parts))


class Sparse(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.eye(3).to_sparse()
        self.quantized = torch.quantize_per_tensor(torch.ones(3, 2), 0.5, 0, torch.qint8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sparse.mm(self.weight, x.t()) + self.quantized.dequantize()


class Channels(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        zeros = torch.zeros(2, dtype=torch.long)
        self.weight = torch.quantize_per_channel(torch.ones(2, 3), torch.ones(2), zeros, 0, torch.qint8)
        self.narrow = torch.ones(2, 3, dtype=torch.half)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.weight.dequantize() + self.narrow


def sound_plans() -> list[bytes]:
    """Plans of the modules above for x (2, 3), one of them with a dynamic first extent."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plans = []
        for module in (Weighted(), Branches(), Tuples(), Sparse(), Channels()):
            program = torch.jit.script(module)
            plans.append(bytes(nacelle.build_engine(program, [torch.ones(2, 3)], backend="reference")))
        dynamic = nacelle.Input(min=(1, 3), opt=(2, 3), max=(8, 3))
        program = torch.jit.script(Weighted())
        plans.append(bytes(nacelle.build_engine(program, [dynamic], backend="reference")))
    return plans
