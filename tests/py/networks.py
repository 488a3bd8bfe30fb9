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


class QuantizedConvolution(torch.nn.Module):
    """A convolution in int8: what it reads and its weights go through QuantizeLinear and DequantizeLinear."""

    scales: torch.Tensor
    zeros: torch.Tensor

    def __init__(self, channels: int, largest: float) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(channels, 32, 3, padding=1)
        self.largest = largest
        self.register_buffer("scales", torch.full((32,), channels**-0.5 / 3 / 127))  # weights are drawn from that range
        self.register_buffer("zeros", torch.zeros(32, dtype=torch.int32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.fake_quantize_per_tensor_affine(x, self.largest / 127, 0, -128, 127)
        weight = torch.fake_quantize_per_channel_affine(self.conv.weight, self.scales, self.zeros, 0, -128, 127)
        return torch.nn.functional.conv2d(x, weight, self.conv.bias, padding=1)


class Quantized(torch.nn.Module):
    """Two convolutions in int8."""

    def __init__(self) -> None:
        super().__init__()
        self.first = QuantizedConvolution(4, 4.0)
        self.second = QuantizedConvolution(32, 2.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.second(torch.relu(self.first(x)))
        return result


def seeded(kind: type[torch.nn.Module]) -> torch.nn.Module:
    """A module of this kind with the same weights every time, in eval mode."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return kind().eval()
