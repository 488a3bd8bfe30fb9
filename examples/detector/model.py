"""A face detector of fixed sizes, which torch.export can follow: the same number of places and boxes for each image.

It uses P-Net and O-Net of the example "faces", whose detector has loops that depend on what is in the image and is
therefore TorchScript. Here each step takes the best boxes, a fixed number of them.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.faces import boxes as bx
from examples.faces import pixels as px
from examples.faces.networks import ONet, PNet, load_weights

SIDE = 512  # of the image, in pixels
LEVELS = (320, 227, 160, 113, 80, 57, 40, 28, 20, 14)  # sides of the image pyramid: faces from 20 to 440 pixels
WINDOW = 12  # P-Net's window, which it moves by 2 pixels
PLACES = 64  # best places that are taken of a level
CROPS = 64  # places that O-Net looks at
CROP_SIDE = 48
FACES = 8  # boxes that are returned


class Detector(nn.Module):
    """Finds the faces in an image of 512 x 512 pixels."""

    def __init__(self, pnet: nn.Module, onet: nn.Module) -> None:
        """Puts the two networks together; see `examples.faces.networks` for what they take and give."""
        super().__init__()
        self.pnet = pnet
        self.onet = onet

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Finds the faces.

        Args:
            image: uint8 [512, 512, 3], RGB.

        Returns:
            boxes float32 [8, 4] (left, top, right, bottom, in pixels) and scores float32 [8], best first. A score of 0
            means that there is no further face.
        """
        pixels = image.permute(2, 0, 1)[None].float()
        boxes, scores = self._propose(pixels)
        crops = px.crop(pixels, boxes, CROP_SIDE)
        corrections, _, probabilities = self.onet(px.normalize(crops))
        boxes = bx.clip(bx.correct(boxes, corrections), SIDE, SIDE)
        scores = torch.where(scores > 0, probabilities[:, 1], 0.0)
        scores = torch.where(scores >= 0.7, scores, 0.0)
        return best(boxes, suppressed(boxes, scores, 0.7, of_smaller=True), FACES)

    def _propose(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Runs P-Net over the image pyramid; returns squares that may be faces, and their scores."""
        found = [self._level(pixels, side) for side in LEVELS]
        boxes = torch.cat([boxes for boxes, _ in found])
        scores = torch.cat([scores for _, scores in found])
        boxes, scores = best(boxes, suppressed(boxes, scores, 0.7), CROPS)
        return bx.square(boxes), scores

    def _level(self, pixels: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """The best places of one level of the pyramid: boxes in the image's pixels, and scores."""
        level = functional.interpolate(pixels, size=[side, side], mode="bilinear", align_corners=False, antialias=True)
        corrections, probabilities = self.pnet(px.normalize(level))
        face = probabilities[0, 1]  # of each place, row by row
        scores, places = torch.topk(face.flatten(), min(PLACES, face.numel()))
        corner = torch.stack([places % face.size(1), places // face.size(1)], dim=1) * 2.0
        boxes = torch.cat([corner, corner + WINDOW], dim=1) * (SIDE / side)
        boxes = bx.correct(boxes, corrections[0].flatten(1)[:, places].t())
        scores = torch.where(scores >= 0.6, scores, 0.0)
        return boxes, suppressed(boxes, scores, 0.5)


def suppressed(boxes: Tensor, scores: Tensor, threshold: float, of_smaller: bool = False) -> Tensor:
    """The scores, with 0 for each box that a better one overlaps by more than `threshold`.

    Unlike non-maximum suppression proper, a box that is suppressed suppresses others too. So it takes no loop.
    """
    ranks = torch.argsort(torch.argsort(scores, descending=True, stable=True))
    better = ranks[:, None] < ranks[None, :]
    rivals = better & (bx.overlap(boxes, boxes, of_smaller) > threshold) & (scores[:, None] > 0)
    return torch.where(rivals.any(dim=0), 0.0, scores)


def best(boxes: Tensor, scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` boxes with the best scores, and these."""
    scores, order = torch.topk(scores, count)
    return boxes[order], scores


def load_detector(weights: Path) -> Detector:
    """Makes the detector from the folder that holds pnet.pt and onet.pt.

    Raises:
        FileNotFoundError: one of them is not there.
    """
    return Detector(load_weights(PNet(), weights / "pnet.pt"), load_weights(ONet(), weights / "onet.pt")).eval()
