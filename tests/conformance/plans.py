"""Small networks and their plans."""

from __future__ import annotations

from functools import cache

import torch

import torch_nacelle as nacelle


class Scale(torch.nn.Module):
    """Two inputs and two outputs that differ in every property: dtype, rank, shape.

    x float32 (rows, 3) ──relu──┬── mul ──┬── y     float32 (rows, 3)
    k int32 (3) ────────────────┘         └── count int32 (rows), of each row how many are above 4
    """

    def forward(self, x: torch.Tensor, k: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = torch.relu(x) * k
        return y, (y > 4).sum(1).to(torch.int32)


class Positive(torch.nn.Module):
    """The places of the positive values: an output whose shape follows from values, and one that is just a sum."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.nonzero(x > 0).to(torch.int32), x.sum(1)


class Flip(torch.nn.Module):
    """The rows in reverse order, of any dtype."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flip(0)


class Refuse(torch.nn.Module):
    """Fails if a value is negative."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool((x < 0).any()):
            raise ValueError("a value is negative")
        return x + 1


# TensorRT's name, torch's, the first release that has it.
DTYPES = (
    ("FLOAT", torch.float32, (8, 5)),
    ("HALF", torch.float16, (8, 5)),
    ("INT8", torch.int8, (8, 5)),
    ("INT32", torch.int32, (8, 5)),
    ("BOOL", torch.bool, (8, 5)),
    ("UINT8", torch.uint8, (8, 5)),
    ("FP8", torch.float8_e4m3fn, (8, 6)),
    ("BF16", torch.bfloat16, (10, 0)),
    ("INT64", torch.int64, (10, 0)),
    ("E8M0", torch.float8_e8m0fnu, (10, 12)),
)


@cache
def scale() -> bytes:
    """Scale with two profiles: 1 to 4 rows, and 3 to 16."""
    x = nacelle.Input(name="x", min=[(1, 3), (3, 3)], opt=[(2, 3), (8, 3)], max=[(4, 3), (16, 3)])
    k = nacelle.Input(name="k", shape=(3,), dtype=torch.int32)
    return nacelle.build_engine(Scale(), [x, k], name="scale", output_names=["y", "count"])


@cache
def positive() -> bytes:
    """Positive for 4 x 5 values."""
    x = nacelle.Input(name="x", shape=(4, 5))
    return nacelle.build_engine(Positive(), [x], name="positive", output_names=["places", "sums"])


@cache
def flip(dtype: torch.dtype) -> bytes:
    """Flip for 3 x 4 values of a dtype."""
    x = nacelle.Input(name="x", shape=(3, 4), dtype=dtype)
    return nacelle.build_engine(Flip(), [x], output_names=["y"])


@cache
def refuse() -> bytes:
    """Refuse for 4 values."""
    x = nacelle.Input(name="x", shape=(4,))
    return nacelle.build_engine(Refuse(), [x], output_names=["y"], method="script")


def build_all() -> None:
    """Builds every plan, so that it is there for forks of the process."""
    for build in (scale, positive, refuse):
        build()
    for _, dtype, _ in DTYPES:
        flip(dtype)
