"""Modules of which programs are made for the judge."""

from __future__ import annotations

import torch


class Affine(torch.nn.Module):
    """One input, one output."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.layer(x)) - 0.25


class Difference(torch.nn.Module):
    """Two inputs whose order matters."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a - 2 * b


class SwappedDifference(torch.nn.Module):
    """The same with the inputs swapped."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return b - 2 * a


class ThreeOfThree(torch.nn.Module):
    """Three inputs of several shapes and dtypes, three outputs of several dtypes."""

    def forward(
        self, x: torch.Tensor, index: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        chosen = torch.index_select(x, 0, index)
        return chosen, index * 3, torch.logical_not(mask)


class Flipped(torch.nn.Module):
    """One input of any dtype, and an output of the same."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.flip(x, [0])


class Scaled(torch.nn.Module):
    """Tensors without dimensions among inputs and outputs."""

    def forward(self, x: torch.Tensor, factor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scaled = x * factor
        return scaled, scaled.sum()


class Reshaped(torch.nn.Module):
    """A second input whose values decide about the shape of the output."""

    def forward(self, x: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        rows, columns = int(sizes[0]), int(sizes[1])
        return x.reshape(rows, columns) * 2


class Where(torch.nn.Module):
    """An output whose shape depends on data, and one whose shape does not."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.nonzero(x), x + 1


class Cache(torch.nn.Module):
    """A cache that an engine of aliased I/O writes in place, and something made of it."""

    def forward(self, cache: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        new = cache + x
        return new, new.sum(dim=1)


class HalfCache(torch.nn.Module):
    """The same with a new cache of another dtype."""

    def forward(self, cache: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return (cache + x).half(), cache - x


class DifferenceAndSum(torch.nn.Module):
    """Two inputs and two outputs, all of one shape."""

    def __init__(self, one_bit_more: bool = False) -> None:
        super().__init__()
        self.factor = 2.0 + (2.0**-22 if one_bit_more else 0)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return a - self.factor * b, a + b


class Pair(torch.nn.Module):
    """Two submodules to become engines, and work on their results that stays TorchScript."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Affine()
        self.second = torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor, names: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        hidden = self.first(x)
        if bool(hidden.sum() > 1):
            hidden = hidden.clone()
            hidden[0] = 0.5
        result = {"out": self.second(hidden), "hidden": hidden}
        for name, value in names.items():
            result[name] = value * hidden.mean()
        return result


class Listed(torch.nn.Module):
    """Calls an engine in a loop and returns a list."""

    def __init__(self) -> None:
        super().__init__()
        self.step = torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor, times: int) -> list[torch.Tensor]:
        states = [x]
        for _ in range(times):
            states.append(torch.tanh(self.step(states[-1])))
        return states


class Holder(torch.nn.Module):
    """Two programs with engines, called one after the other."""

    def __init__(self, first: torch.nn.Module, second: torch.nn.Module) -> None:
        super().__init__()
        self.first = first
        self.second = second

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.first(x)
        return self.second(hidden, hidden + 1)


class Both(torch.nn.Module):
    """Two programs with engines, called with the same input."""

    def __init__(self, first: torch.nn.Module, second: torch.nn.Module) -> None:
        super().__init__()
        self.first = first
        self.second = second
        self.flag = "0"  # a text that records have, too

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.first(x), self.second(x)
