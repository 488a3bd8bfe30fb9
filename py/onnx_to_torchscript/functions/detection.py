"""Functions on boxes and regions: suppression, and crops."""

import torch
from torch import Tensor


def corners(boxes: Tensor, centred: bool) -> Tensor:
    """Boxes [n, 4] as (low, low, high, high), from any two corners or from centre and size."""
    if centred:
        half = boxes[:, 2:] / 2
        return torch.cat([boxes[:, :2] - half, boxes[:, :2] + half], 1)
    return torch.cat([torch.minimum(boxes[:, :2], boxes[:, 2:]), torch.maximum(boxes[:, :2], boxes[:, 2:])], 1)


def kept(boxes: Tensor, scores: Tensor, most: int, overlap: float) -> Tensor:
    """Indices of the boxes (low, low, high, high) that no better kept one overlaps by more than `overlap`."""
    order = torch.argsort(scores, descending=True, stable=True)
    boxes = boxes[order]
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    open_ = torch.ones_like(order, dtype=torch.bool)
    chosen: list[int] = []
    for i in range(order.size(0)):
        if len(chosen) >= most:
            break
        if bool(open_[i]):
            chosen.append(i)
            low = torch.maximum(boxes[:, :2], boxes[i, :2])
            high = torch.minimum(boxes[:, 2:], boxes[i, 2:])
            common = torch.clamp(high - low, min=0.0).prod(1)
            open_ = open_ & ~(common > overlap * (area + area[i] - common))
    return order[torch.tensor(chosen, dtype=torch.int64)]


def non_maximum_suppression(
    boxes: Tensor,
    scores: Tensor,
    most: Tensor | None,
    overlap: Tensor | None,
    least_score: Tensor | None,
    centred: bool,
) -> Tensor:
    """The boxes to keep, as rows (batch, class, box)."""
    limit = 0 if most is None else int(most)
    threshold = 0.0 if overlap is None else float(overlap)
    rows = [torch.zeros([0, 3], dtype=torch.int64)]
    for batch in range(scores.size(0)):
        all_corners = corners(boxes[batch], centred)
        for label in range(scores.size(1)):
            of_label = scores[batch, label]
            passed = torch.arange(of_label.size(0))
            if least_score is not None:
                passed = torch.nonzero(of_label > float(least_score)).reshape([-1])
            chosen = passed[kept(all_corners[passed], of_label[passed], limit, threshold)]
            row = torch.zeros([chosen.size(0), 3], dtype=torch.int64)
            row[:, 0] = batch
            row[:, 1] = label
            row[:, 2] = chosen
            rows.append(row)
    return torch.cat(rows)


def samples(start: Tensor, size: Tensor, bins: int, count: int) -> Tensor:
    """The places of one region's samples along one axis: `count` in each of `bins`."""
    places = (torch.arange(bins * count, dtype=torch.float32) + 0.5) / count
    return start + places * (size / bins)


def interpolation(places: Tensor, extent: int) -> Tensor:
    """The weights [samples, extent] of linear interpolation at places; none beyond one pixel outside."""
    inside = (places >= -1.0) & (places <= extent)
    clamped = places.clamp(0.0, extent - 1.0)
    distance = torch.arange(extent, dtype=torch.float32).unsqueeze(0) - clamped.unsqueeze(1)
    weights = torch.clamp(1.0 - torch.abs(distance), min=0.0)
    return weights * inside.to(torch.float32).unsqueeze(1)


def align_regions(
    x: Tensor,
    regions: Tensor,
    batches: Tensor,
    height: int,
    width: int,
    ratio: int,
    scale: float,
    half_pixel: bool,
) -> Tensor:
    """The mean of samples in each of height x width bins of regions (x, y, x, y) of images."""
    offset = 0.5 if half_pixel else 0.0
    results = [torch.zeros([0, x.size(1), height, width], dtype=x.dtype)]
    for i in range(regions.size(0)):
        region = regions[i].to(torch.float32) * scale - offset
        size_x = region[2] - region[0]
        size_y = region[3] - region[1]
        if not half_pixel:
            size_x = torch.clamp(size_x, min=1.0)
            size_y = torch.clamp(size_y, min=1.0)
        count_x = ratio if ratio > 0 else max(int(torch.ceil(size_x / width)), 1)
        count_y = ratio if ratio > 0 else max(int(torch.ceil(size_y / height)), 1)
        down = interpolation(samples(region[1], size_y, height, count_y), x.size(2)).to(x.dtype)
        across = interpolation(samples(region[0], size_x, width, count_x), x.size(3)).to(x.dtype)
        sampled = torch.matmul(torch.matmul(down, x[int(batches[i])]), across.t())
        bins = sampled.reshape([x.size(1), height, count_y, width, count_x])
        results.append(bins.mean([2, 4]).unsqueeze(0))
    return torch.cat(results)
