"""Regions of a map of probabilities, and the boxes around them. TorchScript, on any device.

A box is (left, top, right, bottom) in pixels, edges and not centres of pixels.
"""

import torch
from torch import Tensor


def label(mask: Tensor) -> Tensor:
    """Numbers the connected regions (with corners) of a mask [h, w]: int64 [h, w], 0 outside, the same inside of one.

    Every pixel takes the largest number among its neighbours, and then the one that the pixel of that number has;
    so numbers do not walk through a region but jump, and a long line of text takes few steps.
    """
    height, width = mask.shape[0], mask.shape[1]
    inside = mask.to(torch.int64)
    labels = torch.arange(1, height * width + 1, device=mask.device).reshape(height, width) * inside
    settled = False
    while not settled:
        wide = torch.nn.functional.max_pool2d(labels[None, None].to(torch.float64), 3, 1, 1)[0, 0]
        grown = wide.to(torch.int64) * inside
        numbers = torch.cat([torch.zeros_like(grown[0, :1]), grown.reshape(-1)])
        grown = numbers[grown]
        settled = torch.equal(grown, labels)
        labels = grown
    return labels


def boxes_of(labels: Tensor, probabilities: Tensor) -> tuple[Tensor, Tensor]:
    """The boxes [n, 4] around the regions, and the mean of the probabilities [h, w] in each."""
    places = torch.nonzero(labels)
    numbers, region = torch.unique(labels[places[:, 0], places[:, 1]], return_inverse=True)
    count = numbers.size(0)
    rows, columns = places[:, 0], places[:, 1]
    most = torch.zeros([count], dtype=torch.int64, device=labels.device)
    least = torch.full([count], 1 << 30, dtype=torch.int64, device=labels.device)
    edges = [
        least.scatter_reduce(0, region, columns, "amin"),
        least.scatter_reduce(0, region, rows, "amin"),
        most.scatter_reduce(0, region, columns + 1, "amax"),
        most.scatter_reduce(0, region, rows + 1, "amax"),
    ]
    values = probabilities[rows, columns]
    sums = torch.zeros([count], dtype=values.dtype, device=labels.device).scatter_add(0, region, values)
    sizes = torch.zeros([count], dtype=values.dtype, device=labels.device).scatter_add(
        0, region, torch.ones_like(values)
    )
    return torch.stack(edges, 1).to(values.dtype), sums / sizes


def grow(boxes: Tensor, ratio: float) -> Tensor:
    """Boxes [n, 4] with `ratio` times their area spread around their edges: networks mark the core of a line only."""
    size = boxes[:, 2:] - boxes[:, :2]
    distance = (ratio * size[:, 0] * size[:, 1] / (2 * (size[:, 0] + size[:, 1])))[:, None]
    return torch.cat([boxes[:, :2] - distance, boxes[:, 2:] + distance], 1)


def reading_order(boxes: Tensor) -> Tensor:
    """Indices [n] of boxes [n, 4] by line, from top to bottom, and in a line from left to right."""
    order = torch.argsort((boxes[:, 1] + boxes[:, 3]) / 2, stable=True)
    line = torch.zeros([boxes.size(0)], dtype=boxes.dtype, device=boxes.device)
    bottom = 0.0
    number = 0
    for place in range(order.size(0)):
        index = int(order[place])
        middle = float(boxes[index, 1] + boxes[index, 3]) / 2
        if place == 0 or middle > bottom:
            number += 1
            bottom = float(boxes[index, 3])
        line[index] = float(number)
    by_left = torch.argsort(boxes[:, 0], stable=True)
    return by_left[torch.argsort(line[by_left], stable=True)]
