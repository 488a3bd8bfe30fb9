"""Small exported programs that the fuzzer changes."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import torch
from torch.export import Dim

Members = list[tuple[str, bytes]]


class _Sizes(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        long = torch.cat([x, x, x[:1]])
        half = long[: long.shape[0] // 2]
        return self.linear(half).relu(), x[: max(x.shape[0] % 3, 1)], x.reshape(x.shape[0] * 5)


class _Layers(torch.nn.Module):
    scale: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 2, 3, padding=1)
        self.register_buffer("scale", torch.ones(2, 1, 1), persistent=False)
        self.register_buffer("offset", torch.zeros(2, 1, 1))

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
        out = torch.nn.functional.max_pool2d(self.conv(x), 2) * self.scale
        return {"a": out.softmax(1), "b": torch.einsum("ij,jk->ik", y, y)}


def seeds() -> list[Members]:
    """The members of each program."""
    rows: Any = ({0: Dim.AUTO},)
    programs = [
        torch.export.export(_Sizes().eval(), (torch.ones(4, 5),), dynamic_shapes=rows),
        torch.export.export(_Layers().eval(), (torch.ones(1, 3, 8, 8), torch.ones(3, 3))),
    ]
    return [_members(program) for program in programs]


def _members(program: torch.export.ExportedProgram) -> Members:
    file = io.BytesIO()
    torch.export.save(program, file, extra_files={"notes.txt": "hello"})
    with zipfile.ZipFile(file) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]
