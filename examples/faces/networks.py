"""The three networks of MTCNN, which become the three engines of the program.

Zhang, Zhang, Li and Qiao, "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks" (2016):
P-Net looks at every place of an image, R-Net and O-Net look again, more closely, at the places that are left.
Each takes RGB pixels of about -1 to 1, and gives what it says of each place: how to correct its box (four numbers, in
widths and heights of the box), the places of the landmarks (O-Net), and the probabilities of "no face" and "face".
"""

from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


class PNet(nn.Module):
    """Looks at every 12 x 12 window of an image, at a stride of 2. Takes any height and width from 12."""

    def __init__(self) -> None:
        """Makes the layers; `load_weights` gives them their weights."""
        super().__init__()
        self.conv1 = nn.Conv2d(3, 10, 3)
        self.prelu1 = nn.PReLU(10)
        self.pool1 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(10, 16, 3)
        self.prelu2 = nn.PReLU(16)
        self.conv3 = nn.Conv2d(16, 32, 3)
        self.prelu3 = nn.PReLU(32)
        self.conv4_1 = nn.Conv2d(32, 2, 1)
        self.conv4_2 = nn.Conv2d(32, 4, 1)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Maps pixels [n, 3, h, w] to corrections [n, 4, h', w'] and probabilities [n, 2, h', w']."""
        x = self.pool1(self.prelu1(self.conv1(pixels)))
        x = self.prelu2(self.conv2(x))
        x = self.prelu3(self.conv3(x))
        return self.conv4_2(x), torch.softmax(self.conv4_1(x), dim=1)


class RNet(nn.Module):
    """Judges crops of 24 x 24 pixels, any number of them."""

    def __init__(self) -> None:
        """Makes the layers; `load_weights` gives them their weights."""
        super().__init__()
        self.conv1 = nn.Conv2d(3, 28, 3)
        self.prelu1 = nn.PReLU(28)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(28, 48, 3)
        self.prelu2 = nn.PReLU(48)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3 = nn.Conv2d(48, 64, 2)
        self.prelu3 = nn.PReLU(64)
        self.dense4 = nn.Linear(64 * 3 * 3, 128)
        self.prelu4 = nn.PReLU(128)
        self.dense5_1 = nn.Linear(128, 2)
        self.dense5_2 = nn.Linear(128, 4)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Maps crops [n, 3, 24, 24] to corrections [n, 4] and probabilities [n, 2]."""
        x = self.pool1(self.prelu1(self.conv1(crops)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.prelu3(self.conv3(x))
        x = self.prelu4(self.dense4(_columns_first(x)))
        return self.dense5_2(x), torch.softmax(self.dense5_1(x), dim=1)


class ONet(nn.Module):
    """Judges crops of 48 x 48 pixels, any number of them, and places five landmarks in each."""

    def __init__(self) -> None:
        """Makes the layers; `load_weights` gives them their weights."""
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3)
        self.prelu1 = nn.PReLU(32)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.prelu2 = nn.PReLU(64)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3 = nn.Conv2d(64, 64, 3)
        self.prelu3 = nn.PReLU(64)
        self.pool3 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv4 = nn.Conv2d(64, 128, 2)
        self.prelu4 = nn.PReLU(128)
        self.dense5 = nn.Linear(128 * 3 * 3, 256)
        self.prelu5 = nn.PReLU(256)
        self.dense6_1 = nn.Linear(256, 2)
        self.dense6_2 = nn.Linear(256, 4)
        self.dense6_3 = nn.Linear(256, 10)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps crops [n, 3, 48, 48] to corrections [n, 4], landmarks [n, 10] (5 x, 5 y), probabilities [n, 2]."""
        x = self.pool1(self.prelu1(self.conv1(crops)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.pool3(self.prelu3(self.conv3(x)))
        x = self.prelu4(self.conv4(x))
        x = self.prelu5(self.dense5(_columns_first(x)))
        return self.dense6_2(x), self.dense6_3(x), torch.softmax(self.dense6_1(x), dim=1)


def _columns_first(features: Tensor) -> Tensor:
    """Flattens [n, c, h, w] as the published weights want it: column by column, the channels of a place together."""
    return features.permute(0, 3, 2, 1).flatten(1)


def load_weights(network: Network, path: Path) -> Network:
    """Reads a state dict (tensors only, nothing else is unpickled) into `network`; returns it, ready for inference.

    Raises:
        FileNotFoundError: there is no such file.
        RuntimeError: the file's tensors are not those of the network; the message lists them.
    """
    network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    return network.eval().requires_grad_(False)
