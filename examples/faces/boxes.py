"""Boxes: overlap, suppression, correction. TorchScript, on any device.

A box is (left, top, right, bottom) in pixels, edges and not centres of pixels: an image w pixels wide goes from 0 to w.
"""

import torch
from torch import Tensor


def area(boxes: Tensor) -> Tensor:
    """Areas [n] of boxes [n, 4]; 0 for one whose edges are crossed."""
    return (boxes[:, 2] - boxes[:, 0]).clamp(min=0.0) * (boxes[:, 3] - boxes[:, 1]).clamp(min=0.0)


def overlap(a: Tensor, b: Tensor, of_smaller: bool = False) -> Tensor:
    """The overlap of each of the boxes `a` [n, 4] with each of `b` [m, 4]: [n, m], from 0 to 1.

    Args:
        a: boxes.
        b: boxes.
        of_smaller: the common area relative to the smaller box; otherwise relative to the union of both.
    """
    corner = torch.maximum(a[:, None, :2], b[None, :, :2])
    size = (torch.minimum(a[:, None, 2:], b[None, :, 2:]) - corner).clamp(min=0.0)
    common = size[:, :, 0] * size[:, :, 1]
    area_a = area(a)[:, None]
    area_b = area(b)[None, :]
    whole = torch.minimum(area_a, area_b) if of_smaller else area_a + area_b - common
    # A box without area overlaps nothing: 0 / tiny, not 0 / 0.
    return common / whole.clamp(min=1e-9)


def suppress(boxes: Tensor, scores: Tensor, threshold: float, of_smaller: bool = False) -> Tensor:
    """Non-maximum suppression: the indices [k] of the boxes to keep, best score first.

    A box goes if a better one, itself kept, overlaps it by more than `threshold`. Of equal scores the first is better.
    The rule is applied to all boxes at once, until nothing changes. A box's fate depends on better boxes only, so the
    k-th pass settles at least the k best for good; in practice a few passes settle all. Takes n * n floats.
    """
    order = torch.argsort(scores, descending=True, stable=True)
    ranked = boxes[order]
    rivals = torch.triu(overlap(ranked, ranked, of_smaller) > threshold, diagonal=1)  # [better, worse]
    keep = torch.ones_like(order, dtype=torch.bool)
    settled = False
    while not settled:
        kept = ~(rivals & keep[:, None]).any(dim=0)
        settled = torch.equal(kept, keep)
        keep = kept
    return order[keep]


def correct(boxes: Tensor, corrections: Tensor) -> Tensor:
    """Moves the edges of boxes [n, 4] by corrections [n, 4]: in widths (left, right) and in heights (top, bottom)."""
    size = boxes[:, 2:] - boxes[:, :2]
    return boxes + corrections * torch.cat([size, size], dim=1)


def square(boxes: Tensor) -> Tensor:
    """Squares around the centres of boxes [n, 4], as large as their longer sides."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1, keepdim=True) / 2
    return torch.cat([centre - half, centre + half], dim=1)


def clip(boxes: Tensor, height: int, width: int) -> Tensor:
    """The part of boxes [n, 4] that lies in an image of this size."""
    across = boxes[:, 0::2].clamp(0.0, float(width))
    down = boxes[:, 1::2].clamp(0.0, float(height))
    return torch.stack([across[:, 0], down[:, 0], across[:, 1], down[:, 1]], dim=1)
