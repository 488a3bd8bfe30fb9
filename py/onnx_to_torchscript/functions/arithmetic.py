"""Elementwise arithmetic in which ONNX and torch differ, by dtype or by attributes."""

import torch
from torch import Tensor


def div(a: Tensor, b: Tensor) -> Tensor:
    """Quotient; of integers rounded towards zero."""
    if a.is_floating_point():
        return torch.div(a, b)
    return torch.div(a, b, rounding_mode="trunc").to(a.dtype)


def power(base: Tensor, exponent: Tensor) -> Tensor:
    """Power, with the dtype of the base."""
    if base.dtype == exponent.dtype:
        return torch.pow(base, exponent)
    if not base.is_floating_point() and exponent.is_floating_point():
        return torch.pow(base.to(torch.float64), exponent.to(torch.float64)).to(base.dtype)
    return torch.pow(base, exponent.to(base.dtype))


def modulo(a: Tensor, b: Tensor, like_c: bool) -> Tensor:
    """Remainder: with the sign of the divisor, or, as C's fmod, with that of the dividend."""
    return torch.fmod(a, b) if like_c else torch.remainder(a, b)


def shift(a: Tensor, b: Tensor, left: bool) -> Tensor:
    """Bits of unsigned or signed integers, shifted."""
    wide = a.to(torch.int64)
    by = b.to(torch.int64)
    shifted = torch.bitwise_left_shift(wide, by) if left else torch.bitwise_right_shift(wide, by)
    return shifted.to(a.dtype)


def clip(x: Tensor, low: Tensor | None, high: Tensor | None) -> Tensor:
    """The input bounded to [low, high]; high wins if they cross."""
    if low is not None:
        x = torch.maximum(x, low)
    if high is not None:
        x = torch.minimum(x, high)
    return x


def hard_sigmoid(x: Tensor, alpha: float, beta: float) -> Tensor:
    """The bounded line max(0, min(1, alpha * x + beta))."""
    return torch.clamp(x * alpha + beta, 0.0, 1.0)


def elu(x: Tensor, alpha: float) -> Tensor:
    """The elements that are positive; alpha * (exp(x) - 1) for the others."""
    return torch.where(x > 0, x, alpha * torch.expm1(x))


def selu(x: Tensor, alpha: float, gamma: float) -> Tensor:
    """`elu` times gamma."""
    return gamma * elu(x, alpha)


def celu(x: Tensor, alpha: float) -> Tensor:
    """max(0, x) + min(0, alpha * (exp(x / alpha) - 1))."""
    return torch.clamp(x, min=0.0) + torch.clamp(alpha * torch.expm1(x / alpha), max=0.0)


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    """The elements that are not negative; slope * x for the others."""
    return torch.where(x < 0, x * slope, x)


def thresholded_relu(x: Tensor, alpha: float) -> Tensor:
    """The elements that are larger than alpha; 0 for the others."""
    return torch.where(x > alpha, x, torch.zeros_like(x))


def shrink(x: Tensor, lambd: float, bias: float) -> Tensor:
    """The elements further away from 0 than lambd, moved towards it by bias; 0 for the others."""
    zero = torch.zeros_like(x)
    return torch.where(x < -lambd, x + bias, torch.where(x > lambd, x - bias, zero)).to(x.dtype)


def is_infinite(x: Tensor, negative: bool, positive: bool) -> Tensor:
    """True for the elements of x that are infinite, on the sides asked for."""
    found = torch.zeros_like(x, dtype=torch.bool)
    if negative:
        found = found | torch.isneginf(x)
    if positive:
        found = found | torch.isposinf(x)
    return found


def mean(tensors: list[Tensor]) -> Tensor:
    """Mean of tensors, broadcast."""
    total = tensors[0]
    for tensor in tensors[1:]:
        total = total + tensor
    return total / len(tensors)


def swish(x: Tensor, alpha: float) -> Tensor:
    """The input times sigmoid(alpha * x)."""
    return x * torch.sigmoid(alpha * x)
