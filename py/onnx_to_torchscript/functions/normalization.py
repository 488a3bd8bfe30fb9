"""Normalization."""

import torch
from torch import Tensor

from onnx_to_torchscript.functions.values import positive


def per_channel(values: Tensor, rank: int) -> Tensor:
    """One number a channel, shaped to go with tensors of `rank` dimensions."""
    return values.reshape([1, -1] + [1] * (rank - 2))


def batch(x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, epsilon: float) -> Tensor:
    """Batch normalization with the statistics given."""
    if x.dtype == scale.dtype and x.dtype == mean.dtype:
        return torch.batch_norm(x, scale, bias, mean, variance, False, 0.0, epsilon, False)
    rank = x.dim()
    spread = torch.sqrt(per_channel(variance, rank) + epsilon)
    normal = (x - per_channel(mean, rank)) / spread
    return (normal * per_channel(scale, rank) + per_channel(bias, rank)).to(x.dtype)


def instance(x: Tensor, scale: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    """Each channel of each sample with its own statistics."""
    return torch.instance_norm(x, scale, bias, None, None, True, 0.0, epsilon, False)


def layer(x: Tensor, scale: Tensor, bias: Tensor | None, axis: int, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """Layer normalization over the dimensions from `axis` on; also the means and the inverse deviations."""
    dims = [i for i in range(positive(axis, x.dim()), x.dim())]  # noqa: C416
    wide = x if x.dtype == torch.float64 else x.to(torch.float32)
    mean = torch.mean(wide, dim=dims, keepdim=True)
    centred = wide - mean
    inverse = torch.rsqrt(torch.mean(centred * centred, dim=dims, keepdim=True) + epsilon)
    normal = (centred * inverse).to(x.dtype) * scale
    return normal if bias is None else normal + bias, mean, inverse


def layer_only(x: Tensor, scale: Tensor, bias: Tensor | None, axis: int, epsilon: float) -> Tensor:
    """Layer normalization alone."""
    shape = x.shape[positive(axis, x.dim()) :]
    if scale.shape == shape and (bias is None or bias.shape == shape):
        return torch.layer_norm(x, shape, scale, bias, epsilon)
    return layer(x, scale, bias, axis, epsilon)[0]


def root_mean_square(x: Tensor, scale: Tensor, axis: int, epsilon: float, wide: bool) -> Tensor:
    """Divided by the root of the mean of squares over the dimensions from `axis` on."""
    dims = [i for i in range(positive(axis, x.dim()), x.dim())]  # noqa: C416
    number = x.to(torch.float32) if wide and x.dtype != torch.float64 else x
    normal = number * torch.rsqrt(torch.mean(number * number, dim=dims, keepdim=True) + epsilon)
    return normal.to(scale.dtype) * scale


def group(x: Tensor, scale: Tensor, bias: Tensor, groups: int, epsilon: float) -> Tensor:
    """Groups of channels, each with its own statistics. Scale and bias are given per channel or per group."""
    channels = x.size(1)
    if scale.numel() != channels:
        scale = scale.repeat_interleave(channels // groups)
        bias = bias.repeat_interleave(channels // groups)
    return torch.group_norm(x, groups, scale, bias, epsilon, False)


def mean_variance(x: Tensor, axes: list[int]) -> Tensor:
    """Less the mean over `axes`, divided by the deviation."""
    centred = x - torch.mean(x, dim=axes, keepdim=True)
    return centred / (torch.sqrt(torch.mean(centred * centred, dim=axes, keepdim=True)) + 1e-9)


def local_response(x: Tensor, size: int, alpha: float, beta: float, bias: float) -> Tensor:
    """Divided by a power of the mean of squares over neighbouring channels."""
    before = (size - 1) // 2
    squares = (x * x).reshape([x.size(0), x.size(1), -1])
    padded = torch.constant_pad_nd(squares, [0, 0, before, size - 1 - before], 0.0)
    sums = padded.unfold(1, size, 1).sum(-1).reshape(x.shape)
    return x / torch.pow(bias + alpha / size * sums, beta)


def lp(x: Tensor, axis: int, p: int) -> Tensor:
    """The input divided by its p-norm along an axis; 0 if the norm is 0."""
    norm = torch.linalg.vector_norm(x, float(p), [axis], True)
    return torch.where(norm == 0, torch.zeros_like(x), x / norm)
