"""The pyramid and the crops."""

import itertools

import pytest
import torch
from torch import Tensor

from examples.faces import pixels as px


def ramp(height: int, width: int) -> Tensor:
    """An image whose first channel is x and second y, at the centres of pixels."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y, torch.zeros_like(x)])[None]


def test_normalized_range() -> None:
    assert px.normalize(torch.tensor([0.0, 127.5, 255.0])).tolist() == [-127.5 / 128, 0.0, 127.5 / 128]


@pytest.mark.parametrize(("height", "width"), [(512, 512), (1080, 1920), (20, 20), (333, 21)])
def test_the_pyramid_goes_from_the_smallest_face_to_the_largest(height: int, width: int) -> None:
    scales = px.pyramid_scales(height, width, 12, 20.0, 0.709, 1280)
    assert scales[0] == 12 / 20
    assert all(b / a == pytest.approx(0.709) for a, b in itertools.pairwise(scales))
    smallest = min(height, width) * scales[-1]
    assert 12 <= smallest < 12 / 0.709


@pytest.mark.parametrize(("height", "width"), [(0, 0), (1, 1), (0, 100), (19, 500), (19, 19)])
def test_no_level_for_an_image_smaller_than_a_face(height: int, width: int) -> None:
    assert px.pyramid_scales(height, width, 12, 20.0, 0.709, 1280) == []


def test_no_level_is_larger_than_the_limit() -> None:
    scales = px.pyramid_scales(4000, 6000, 12, 20.0, 0.709, 1280)
    level = px.resize(torch.zeros(1, 3, 4000, 6000), scales[0])
    assert max(level.shape) == 1280
    # A panorama whose short side would be too small at the largest scale allowed has no level.
    assert px.pyramid_scales(50, 60000, 12, 20.0, 0.709, 1280) == []


@pytest.mark.parametrize("side", [20, 40, 60, 100])
def test_the_smallest_level_is_not_rounded_below_the_window(side: int) -> None:
    level = px.resize(torch.zeros(1, 3, side, side), 12 / side)
    assert level.shape == (1, 3, 12, 12)


def test_resize_averages() -> None:
    stripes = torch.zeros(1, 3, 80, 80)
    stripes[..., ::2] = 200.0
    inner = px.resize(stripes, 0.25)[..., 2:-2]
    assert (inner - 100).abs().max() < 5


def test_a_crop_of_a_ramp_is_a_ramp() -> None:
    box = torch.tensor([[10.0, 20.0, 58.0, 44.0]])
    crop = px.crop(ramp(100, 100), box, 24)
    assert crop.shape == (1, 3, 24, 24)
    x = 10 + (torch.arange(24) + 0.5) * 2
    y = 20 + (torch.arange(24) + 0.5)
    torch.testing.assert_close(crop[0, 0], x.expand(24, 24), atol=1e-3, rtol=0)
    torch.testing.assert_close(crop[0, 1], y[:, None].expand(24, 24), atol=1e-3, rtol=0)


def test_crops_do_not_mix() -> None:
    image = torch.zeros(1, 3, 40, 60)
    boxes = torch.empty(6, 4)
    for index in range(6):
        row, column = divmod(index, 3)
        image[:, :, row * 20 : row * 20 + 20, column * 20 : column * 20 + 20] = float(index + 1)
        boxes[index] = torch.tensor([column * 20 + 2, row * 20 + 2, column * 20 + 18, row * 20 + 18])
    crops = px.crop(image, boxes, 48)
    assert crops.shape == (6, 3, 48, 48)
    for index in range(6):
        torch.testing.assert_close(crops[index], torch.full((3, 48, 48), float(index + 1)))


def test_outside_of_the_image_is_black() -> None:
    image = torch.full((1, 3, 50, 50), 200.0)
    far, half = px.crop(image, torch.tensor([[100.0, 100.0, 124.0, 124.0], [-12.0, 10.0, 12.0, 34.0]]), 24)
    assert far.abs().max() == 0
    assert half[:, :, :11].abs().max() == 0
    torch.testing.assert_close(half[:, :, 13:], torch.full((3, 24, 11), 200.0))


def test_a_large_box_is_averaged_down() -> None:
    random = torch.Generator().manual_seed(0)
    noise = torch.rand(1, 3, 192, 192, generator=random) * 255
    crop = px.crop(noise, torch.tensor([[0.0, 0.0, 192.0, 192.0]]), 24)
    wanted = torch.nn.functional.avg_pool2d(noise, 8)
    assert crop.std() < noise.std() / 4
    assert (crop - wanted).abs().mean() < 15
