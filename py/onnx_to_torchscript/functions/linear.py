"""Matrix products."""

import torch
from torch import Tensor


def gemm(a: Tensor, b: Tensor, c: Tensor | None, alpha: float, beta: float, turn_a: bool, turn_b: bool) -> Tensor:
    """Product alpha * a @ b + beta * c, with a and b transposed first if asked."""
    if turn_a:
        a = a.t()
    if turn_b:
        b = b.t()
    product = torch.matmul(a, b)
    if alpha != 1.0:
        product = (product * alpha).to(a.dtype)
    if c is None or beta == 0.0:
        return product
    return product + (c if beta == 1.0 else (c * beta).to(a.dtype))


def integer_matmul(a: Tensor, b: Tensor, a_zero: Tensor | None, b_zero: Tensor | None) -> Tensor:
    """Matrix product of integers, each less its zero point; a may have one for each row, b one for each column."""
    wide_a = a.to(torch.int32)
    if a_zero is not None:
        zero = a_zero.to(torch.int32)
        wide_a = wide_a - (zero.unsqueeze(-1) if zero.dim() == 1 and zero.numel() > 1 else zero)
    wide_b = b.to(torch.int32)
    if b_zero is not None:
        wide_b = wide_b - b_zero.to(torch.int32)
    return torch.matmul(wide_a, wide_b)
