"""Makes torchvision and torchaudio importable beside a torch whose build is another than theirs.

The wheels of the Python package index are compiled for CUDA. Beside a CPU build of torch their libraries do not load:
``import torchvision`` ends with "operator torchvision::nms does not exist". Networks need two of the compiled
operators, nms and roi_align, and none of torchaudio's. Here these two are defined in PyTorch, under their own names:

    from bench.coverage.compiled_operators import make_importable

    make_importable()
    import torchvision

A program with such an operator in its TorchScript runs where the operator is registered: in a process that made this
call, or in one with torchvision's own library.
"""

import importlib
from typing import Any

import torch
from torch import Tensor

# torchvision's own schemas. It registers a fake kernel for qnms when it is imported, and scripting reads a call of
# box_iou_rotated, so these two have to exist; nothing here calls them.
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "box_iou_rotated(Tensor boxes1, Tensor boxes2) -> Tensor",
    "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
    "int sampling_ratio, bool aligned) -> Tensor",
)

_AT_ONCE = 128  # regions whose samples are in memory together

_libraries: list[torch.library.Library] = []  # operators live as long as the library that defined them


def make_importable() -> None:
    """Makes torchvision and torchaudio importable, if they are installed, in this process; call it before either.

    Packages that import them, such as timm and transformers, are importable then too.
    """
    if not _libraries:
        _prepare_torchvision()
        _prepare_torchaudio()


def _prepare_torchvision() -> None:
    try:
        importlib.import_module("torchvision")
        return
    except ModuleNotFoundError:
        return
    except RuntimeError:  # "operator torchvision::nms does not exist"
        _define_operators()
    importlib.import_module("torchvision")
    for name in ("torchvision.extension", "torchvision.ops.roi_align"):
        module: Any = importlib.import_module(name)
        module._has_ops = _has_operators


def _prepare_torchaudio() -> None:
    try:
        importlib.import_module("torchaudio")
    except ModuleNotFoundError:
        return
    except OSError:  # "Could not load this library"
        utils: Any = importlib.import_module("torchaudio._extension.utils")
        utils._load_lib = lambda _: False
        importlib.import_module("torchaudio")


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Indices of the boxes to keep, by falling score; a box that overlaps a better one by more goes.

    Args:
        boxes: float [n, 4], as x1, y1, x2, y2.
        scores: float [n].
        iou_threshold: The largest intersection over union of two boxes that are kept.

    Returns:
        int64, of one dimension.
    """
    order = scores.sort(descending=True, stable=True).indices
    boxes = boxes[order]
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    stays = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    for index in range(len(boxes) - 1):
        if not bool(stays[index]):
            continue
        rest = boxes[index + 1 :]
        sizes = (torch.minimum(boxes[index, 2:], rest[:, 2:]) - torch.maximum(boxes[index, :2], rest[:, :2])).clamp(0)
        shared = sizes[:, 0] * sizes[:, 1]
        stays[index + 1 :] &= shared / (areas[index] + areas[index + 1 :] - shared) <= iou_threshold
    return order[stays]


def roi_align(
    features: Tensor,
    rois: Tensor,
    spatial_scale: float,
    height: int,
    width: int,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """The mean of bilinear samples in each of height x width bins of each region.

    Args:
        features: float [n, channels, h, w].
        rois: float [regions, 5]: the index of the image, then x1, y1, x2, y2.
        spatial_scale: The features' pixels for one pixel of the image.
        height: Number of bins.
        width: Number of bins.
        sampling_ratio: Samples in a bin in each direction; 0 or less: as many as the bin has pixels, rounded up.
        aligned: True if pixels have their centres at half numbers.

    Returns:
        float [regions, channels, height, width].
    """
    if not len(rois):
        return features.new_empty((0, features.shape[1], height, width))
    # Without a ratio, each region has samples of its own number.
    parts = rois.split(_AT_ONCE if sampling_ratio > 0 else 1)
    return torch.cat(
        [_align(features, part, spatial_scale, (height, width), sampling_ratio, aligned) for part in parts]
    )


def _has_operators() -> bool:
    return True


def _define_operators() -> None:
    library = torch.library.Library("torchvision", "DEF")
    for schema in _SCHEMAS:
        library.define(schema)
    library.impl("nms", nms, "CompositeExplicitAutograd")
    library.impl("roi_align", roi_align, "CompositeExplicitAutograd")
    _libraries.append(library)


def _align(
    features: Tensor, rois: Tensor, scale: float, bins: tuple[int, int], sampling_ratio: int, aligned: bool
) -> Tensor:
    corners = rois[:, 1:] * scale - (0.5 if aligned else 0.0)
    sizes = corners[:, 2:] - corners[:, :2]
    if not aligned:
        sizes = sizes.clamp(min=1.0)
    rows = _samples(corners[:, 1], sizes[:, 1], bins[0], features.shape[2], sampling_ratio)
    columns = _samples(corners[:, 0], sizes[:, 0], bins[1], features.shape[3], sampling_ratio)
    image = rois[:, 0].long()[:, None, None]
    values: Any = 0.0
    for y, y_share in rows:
        for x, x_share in columns:
            pixels = features[image, :, y[:, :, None], x[:, None, :]]  # [regions, rows, columns, channels]
            values = values + pixels * (y_share[:, :, None] * x_share[:, None, :])[..., None]
    means = values.unflatten(2, (bins[1], -1)).unflatten(1, (bins[0], -1)).mean((2, 4))
    result: Tensor = means.permute(0, 3, 1, 2)
    return result


def _samples(start: Tensor, size: Tensor, bins: int, extent: int, sampling_ratio: int) -> list[tuple[Tensor, Tensor]]:
    """For the pixels before and after each sample of a region's row: their indices and their shares."""
    count = bins * (sampling_ratio if sampling_ratio > 0 else max(int(torch.ceil(size.max() / bins)), 1))
    steps = torch.arange(count, device=start.device, dtype=start.dtype) + 0.5
    places = start[:, None] + steps * (size / count)[:, None]
    inside = ((places >= -1) & (places <= extent)).to(start.dtype)
    places = places.clamp(0, extent - 1)
    before = places.floor()
    share = places - before
    after = (before + 1).clamp(max=extent - 1)
    return [(before.long(), (1 - share) * inside), (after.long(), share * inside)]
