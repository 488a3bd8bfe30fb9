"""The code between the networks, with made-up networks."""

import pytest
import torch
from torch import Tensor, nn

from examples.text.reader import TextReader


class Bright(nn.Module):
    """Takes bright pixels for text."""

    def forward(self, image: Tensor) -> Tensor:
        assert image.size(2) % 32 == 0 and image.size(3) % 32 == 0
        assert max(image.shape) <= 960
        return (image.mean(1, keepdim=True) > 0).to(torch.float32)


class Steps(nn.Module):
    """Reads the same from every line: blank, 5, 5, blank, 5, 7."""

    def forward(self, line: Tensor) -> Tensor:
        assert line.size(2) == 48 and 32 <= line.size(3) <= 1280
        result = torch.zeros(1, 6, 9)
        for index, code in enumerate([0, 5, 5, 0, 5, 7]):
            result[0, index, code] = 0.9 if code else 1.0
        return result


def picture(height: int, width: int, *boxes: tuple[int, int, int, int]) -> Tensor:
    image = torch.zeros(height, width, 3, dtype=torch.uint8)
    for left, top, right, bottom in boxes:
        image[top:bottom, left:right] = 255
    return image


def test_lines_are_found_where_they_are_and_repeated_steps_are_one_character() -> None:
    reader = TextReader(Bright(), Steps())
    image = picture(320, 640, (100, 200, 300, 220), (50, 40, 250, 60))
    boxes, codes, scores = reader(image)
    assert codes.tolist() == [[5, 5, 7], [5, 5, 7]]
    assert scores.tolist() == pytest.approx([0.9, 0.9])
    # By 1.6 * 200 * 20 / 440 on each side.
    wanted = torch.tensor([[50.0, 40, 250, 60], [100, 200, 300, 220]]) + 14.545 * torch.tensor([-1.0, -1, 1, 1])
    torch.testing.assert_close(boxes, wanted, atol=0.01, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(20, 30), (100, 3000), (1500, 200), (33, 31)])
def test_sides_of_all_sizes_are_brought_to_what_the_networks_take(height: int, width: int) -> None:
    boxes, codes, _ = TextReader(Bright(), Steps())(picture(height, width, (0, 0, width, height)))
    assert boxes.tolist() == [[0.0, 0.0, width, height]]
    assert codes.shape == (1, 3)


def test_small_spots_are_no_text() -> None:
    boxes, codes, scores = TextReader(Bright(), Steps())(picture(320, 320, (100, 100, 102, 140)))
    assert boxes.shape == (0, 4) and codes.shape == (0, 0) and scores.shape == (0,)


@pytest.mark.parametrize("image", [torch.zeros(3, 4, 4, dtype=torch.uint8), torch.zeros(4, 4, 3), torch.zeros(0, 4, 3)])
def test_other_images_are_refused(image: Tensor) -> None:
    with pytest.raises(ValueError, match=r"it must be uint8 \[height, width, 3\]"):
        TextReader(Bright(), Steps())(image)


def test_the_reader_is_torchscript() -> None:
    scripted = torch.jit.script(TextReader(Scripted(), Scripted()))
    assert scripted(picture(64, 64))[0].shape == (0, 4)


class Scripted(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)
