"""The difference between two tensors."""

import math

import torch

from torch_nacelle._runtime.input import dtype_name
from torch_nacelle.reports import Comparison


def compare(found: torch.Tensor, wanted: torch.Tensor) -> Comparison:
    """Compares on the CPU, in float64."""
    if found.shape != wanted.shape:
        return Comparison.failed(f"shape {list(found.shape)}; wanted {list(wanted.shape)}")
    # TensorRT before 10 has no int64.
    if found.dtype != wanted.dtype and {found.dtype, wanted.dtype} != {torch.int32, torch.int64}:
        return Comparison.failed(f"dtype {dtype_name(found.dtype)}; wanted {dtype_name(wanted.dtype)}")
    if wanted.dtype.is_complex:
        return Comparison.failed(f"dtype {dtype_name(wanted.dtype)} cannot be compared")
    if wanted.numel() == 0:
        return Comparison(0.0)
    if not wanted.dtype.is_floating_point:
        return _exact(found.detach().cpu().to(torch.int64), wanted.detach().cpu().to(torch.int64))
    return _by_value(found.detach().cpu().to(torch.float64), wanted.detach().cpu().to(torch.float64))


def _exact(found: torch.Tensor, wanted: torch.Tensor) -> Comparison:
    different = found != wanted
    return _at(found, wanted, int(different.to(torch.uint8).argmax()), float(different.to(torch.float64).mean()))


def _by_value(found: torch.Tensor, wanted: torch.Tensor) -> Comparison:
    # NaNs and infinities must be where they are wanted; the rest is measured.
    same = (found == wanted) | (found.isnan() & wanted.isnan())
    apart = ~same & ~(found.isfinite() & wanted.isfinite())
    if bool(apart.any()):
        worst = _at(found, wanted, int(apart.to(torch.uint8).argmax()), math.inf)
        return Comparison.failed(
            f"{int(apart.sum())} of {wanted.numel()} elements are NaN or infinite on one side only: element "
            f"[{', '.join(map(str, worst.index))}] is {worst.found:g}; wanted {worst.wanted:g}"
        )
    difference = torch.where(same, 0.0, (found - wanted).abs())
    scale = float(torch.where(wanted.isfinite(), wanted.abs(), 0.0).max())
    largest = float(difference.max())
    return _at(found, wanted, int(difference.argmax()), largest / scale if scale else largest)


def _at(found: torch.Tensor, wanted: torch.Tensor, position: int, error: float) -> Comparison:
    index: list[int] = []
    rest = position
    for extent in reversed(wanted.shape):
        index.insert(0, rest % extent)
        rest //= extent
    return Comparison(error, "", tuple(index), float(found.reshape(-1)[position]), float(wanted.reshape(-1)[position]))
