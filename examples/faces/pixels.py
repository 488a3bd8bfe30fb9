"""Pixels: the image pyramid and the crops that the networks look at. TorchScript, on any device.

Images are [1, 3, h, w], floats from 0 to 255, until `normalize`.
"""

import torch
from torch import Tensor
from torch.nn import functional


def normalize(pixels: Tensor) -> Tensor:
    """Maps 0 .. 255 to about -1 .. 1, as the networks were trained."""
    return (pixels - 127.5) / 128.0


def pyramid_scales(height: int, width: int, window: int, min_face: float, factor: float, max_side: int) -> list[float]:
    """The scales at which a window of `window` pixels sees all faces from `min_face` pixels up, largest scale first.

    Args:
        height: of the image.
        width: of the image.
        window: side of the window that is moved over each level.
        min_face: side of the smallest face to be found, in pixels of the image.
        factor: from one level to the next, between 0 and 1.
        max_side: no level is larger than this; in an image too large for it, small faces are not looked for.

    Returns:
        The scales; none for an image that is smaller than the smallest face.
    """
    scales: list[float] = []
    scale = min(window / min_face, max_side / max(height, width, 1))
    while min(height, width) * scale >= window:
        scales.append(scale)
        scale = scale * factor
    return scales


def resize(image: Tensor, scale: float) -> Tensor:
    """One level of the pyramid: `image` with both sides scaled, rounded down; smaller ones are averaged."""
    # Not int(h * scale) alone: 20 * (12 / 20) must be 12, whatever the last bit says.
    height = int(image.size(2) * scale + 1e-6)
    width = int(image.size(3) * scale + 1e-6)
    return functional.interpolate(image, size=[height, width], mode="bilinear", align_corners=False, antialias=True)


def crop(image: Tensor, boxes: Tensor, side: int, samples: int = 4) -> Tensor:
    """Cuts boxes [n, 4] out of an image [1, 3, h, w] and resizes them: [n, 3, side, side]; black outside the image.

    Each pixel is the mean of samples * samples bilinear samples, evenly spread over its part of the box: a large face
    is averaged down, not picked at.
    """
    points = side * samples
    steps = (torch.arange(points, device=boxes.device, dtype=boxes.dtype) + 0.5) / points
    x = boxes[:, 0:1] + (boxes[:, 2:3] - boxes[:, 0:1]) * steps  # [n, points]
    y = boxes[:, 1:2] + (boxes[:, 3:4] - boxes[:, 1:2]) * steps
    # grid_sample counts from -1 to 1, from edge to edge. The boxes lie below one another, in one grid over one image.
    x = (x * (2.0 / image.size(3)) - 1.0)[:, None, :].expand(-1, points, -1)
    y = (y * (2.0 / image.size(2)) - 1.0)[:, :, None].expand(-1, -1, points)
    grid = torch.stack([x, y], dim=-1).reshape(1, -1, points, 2)
    sampled = functional.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    mean = functional.avg_pool2d(sampled, samples)  # [1, 3, n * side, side]
    return mean.reshape(3, -1, side, side).transpose(0, 1).contiguous()
