"""ResNet-18, as He, Zhang, Ren and Sun describe it in "Deep Residual Learning for Image Recognition" (2016)."""

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """Two 3 x 3 convolutions, and a way around them."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        """Makes the layers, from `channels_in` to `channels`, for an image `stride` times smaller."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        # The way around needs a convolution only if the shape changes.
        self.around: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels:
            convolution = nn.Conv2d(channels_in, channels, 1, stride, bias=False)
            self.around = nn.Sequential(convolution, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Maps [n, channels_in, h, w] to [n, channels, h / stride, w / stride]."""
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + self.around(x))


class ResNet18(nn.Module):
    """Classifies images into `classes` classes."""

    def __init__(self, classes: int = 1000) -> None:
        """Makes the layers, with weights from torch's random generator."""
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, padding=1),
        )
        self.stages = nn.Sequential(
            Block(64, 64, 1), Block(64, 64, 1),
            Block(64, 128, 2), Block(128, 128, 1),
            Block(128, 256, 2), Block(256, 256, 1),
            Block(256, 512, 2), Block(512, 512, 1),
        )  # fmt: skip
        self.head = nn.Linear(512, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Maps images [n, 3, h, w] to logits [n, classes]."""
        logits: Tensor = self.head(self.stages(self.stem(images)).mean(dim=(2, 3)))
        return logits


def seeded_resnet18(seed: int = 0) -> ResNet18:
    """A ResNet-18 that is not trained: its weights come from a seed, so that nothing is downloaded.

    The state of torch's random generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ResNet18()
        # One step of "training" on noise: batch norms that know their statistics keep the values in range.
        network.train()(torch.randn(8, 3, 64, 64))
    return network.eval().requires_grad_(False)
