"""Modules that own tensors, numbers and containers, and some that write to what they own."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Owner(nn.Module):
    """A module that owns something of every kind."""

    n: Tensor
    rows: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("n", torch.zeros(3))
        self.register_buffer("rows", torch.ones(2, 3))
        self.weight = nn.Parameter(torch.ones(3))
        self.tensors = [torch.zeros(3), torch.ones(3)]
        self.numbers = [1]
        self.named = {"a": torch.zeros(3)}
        self.count = 0
        self.norm = nn.BatchNorm1d(3)


class WritesThroughAView(Owner):
    def forward(self, x: Tensor) -> Tensor:
        self.rows.view(6)[2:4].mul_(2)
        return x + self.rows[0]


class WritesToAParameter(Owner):
    def forward(self, x: Tensor) -> Tensor:
        self.weight.detach().add_(1)
        return x + self.weight


class WritesToAnElementOfAList(Owner):
    def forward(self, x: Tensor) -> Tensor:
        self.tensors[0].add_(1)
        return x + self.tensors[0]


class WritesToAnEntryOfADict(Owner):
    def forward(self, x: Tensor) -> Tensor:
        self.named["a"].add_(1)
        return x + self.named["a"]


class KeepsStatistics(Owner):
    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.n, self.rows[0], None, None, True)


class WritesToSeveral(Owner):
    def forward(self, x: Tensor) -> Tensor:
        torch._foreach_add_([self.n, self.rows], 1.0)
        return x + self.n
