"""Small modules for the tests."""

import torch


class TwoHeads(torch.nn.Module):
    """A body and two outputs: logits and boxes."""

    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Conv2d(3, 4, 3)
        self.classes = torch.nn.Linear(4, 10)
        self.boxes = torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = torch.relu(self.body(x)).mean((2, 3))
        return self.classes(features), self.boxes(features)


class Backbone(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.conv(x))


class Head(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.box = torch.nn.Linear(8, 4)
        self.score = torch.nn.Linear(8, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.box(x), torch.sigmoid(self.score(x))


class Detector(torch.nn.Module):
    """Calls a backbone once or twice, depending on values, then two heads: what must stay TorchScript."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.head = Head()
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.backbone(x)
        if bool(x.sum() > 0):
            features = features + self.backbone(-x)
        return self.head(self.dropout(features.mean((2, 3))))


def seeded(kind: type[torch.nn.Module]) -> torch.nn.Module:
    """A module of this kind with the same weights every time, in eval mode."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return kind().eval()
