"""Quantization: conversion between numbers and integers with a scale."""

import torch
from torch import Tensor

from onnx_to_torchscript.functions.values import positive


def aligned(values: Tensor, x: Tensor, axis: int, block: int) -> Tensor:
    """Scales or zero points (one, one per entry of an axis, or one per block of it), shaped to go with x."""
    if block > 0:
        return values.repeat_interleave(block, positive(axis, x.dim())).narrow(axis, 0, x.size(axis))
    if values.numel() == 1:
        return values.reshape([])
    shape = [1] * x.dim()
    shape[axis] = -1
    return values.reshape(shape)


def bounds(dtype: torch.dtype) -> tuple[int, int]:
    """The smallest and the largest number of an integer dtype."""
    if dtype == torch.int8:
        return -128, 127
    if dtype == torch.uint8:
        return 0, 255
    if dtype == torch.int16:
        return -32768, 32767
    if dtype == torch.uint16:
        return 0, 65535
    return -2147483648, 2147483647


def quantize(x: Tensor, scale: Tensor, zero: Tensor | None, axis: int, block: int, dtype: torch.dtype) -> Tensor:
    """round(x / scale) + zero, half to even, kept within the dtype."""
    number = torch.round(x / aligned(scale, x, axis, block).to(x.dtype)).to(torch.float64)
    if zero is not None:
        number = number + aligned(zero.to(torch.float64), x, axis, block)
    low, high = bounds(dtype)
    return torch.clamp(number, float(low), float(high)).to(torch.int32).to(dtype)


def dequantize(x: Tensor, scale: Tensor, zero: Tensor | None, axis: int, block: int) -> Tensor:
    """(x - zero) * scale."""
    wide = x.to(torch.int32)
    if zero is not None:
        wide = wide - aligned(zero.to(torch.int32), x, axis, block)
    return wide.to(scale.dtype) * aligned(scale, x, axis, block)


def dynamic(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The input as uint8, with the scale and the zero point that its own range gives, 0 included."""
    low = torch.clamp(x.min(), max=0.0)
    high = torch.clamp(x.max(), min=0.0)
    scale = (high - low) / 255.0
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    zero = torch.clamp(torch.round(-low / scale), 0.0, 255.0).to(torch.uint8)
    return quantize(x, scale, zero, 0, 0, torch.uint8), scale, zero
