"""Rows through a program on a GPU: pieces are copied in, computed and copied out at the same time, none mixed up.

The programs are graphs of torch alone, so TensorRT is not needed.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from torch_nacelle import InputError
from torch_nacelle._serving.interface import Interface
from torch_nacelle._serving.rows import RowProgram

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

BATCH = 16
SIDE = 96


class Blend(nn.Module):
    """Takes the GPU longer than the copies, or less long, by the number of its steps."""

    scale: Tensor

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.register_buffer("scale", torch.tensor(0.5))

    def forward(self, images: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        blended = images
        for _ in range(self.steps):
            blended = (blended + images) * self.scale
        return blended + shift[:, None, None], (images * 2).mean(dim=(1, 2)) + shift


def on_gpu(model: nn.Module) -> Interface:
    model = model.cuda()
    inputs = torch.zeros(4, SIDE, SIDE, device="cuda"), torch.zeros(4, device="cuda")
    batch = torch.export.Dim("batch", min=1, max=BATCH)
    program = torch.export.export(model, inputs, dynamic_shapes=[{0: batch}, {0: batch}])
    return Interface(program.module())


@pytest.fixture
def rows() -> Callable[[int], dict[str, Tensor]]:
    def make(count: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(count)
        return {
            "images": torch.randn(count, SIDE, SIDE, generator=generator),
            "shift": torch.arange(count, dtype=torch.float32),
        }

    return make


@pytest.mark.parametrize("steps", [1, 40])
@pytest.mark.parametrize("count", [0, 1, BATCH, 10 * BATCH + 3, 40 * BATCH])
def test_each_row_gets_its_answer(steps: int, count: int, rows: Callable[[int], dict[str, Tensor]]) -> None:
    model = Blend(steps)
    program = RowProgram(on_gpu(model))
    given = rows(count)
    wanted = model.cpu()(**given)
    for _ in range(3):
        found = program(given)
        assert all(output.device.type == "cpu" for output in found.values())
        for output, other in zip(found.values(), wanted, strict=True):
            torch.testing.assert_close(output, other, rtol=1e-4, atol=1e-3)


def test_calls_go_on_after_one_that_failed(rows: Callable[[int], dict[str, Tensor]]) -> None:
    model = Blend(1)
    program = RowProgram(on_gpu(model))
    calls = 0
    call = program._call

    def failing(inputs: dict[str, Tensor], size: int) -> dict[str, Tensor]:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise InputError("the third call fails")
        return call(inputs, size)

    program._call = failing  # type: ignore[method-assign]
    given = rows(5 * BATCH)
    with pytest.raises(InputError, match="the third call fails"):
        program(given)
    found = list(program(given).values())
    torch.testing.assert_close(found[1], model.cpu()(**given)[1], rtol=1e-4, atol=1e-3)


def test_the_caller_s_stream_and_device_stay(rows: Callable[[int], dict[str, Tensor]]) -> None:
    program = RowProgram(on_gpu(Blend(1)))
    before = torch.cuda.current_stream()
    program(rows(40))
    assert torch.cuda.current_stream() == before
