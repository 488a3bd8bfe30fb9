"""Pictures of all kinds."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from examples.faces.picture import PictureError, draw_faces, read_picture, to_tensor


def saved(folder: Path, picture: Image.Image, name: str = "picture.png", **options: Any) -> Path:
    path = folder / name
    picture.save(path, **options)
    return path


def test_pixels_are_rows_of_rgb(tmp_path: Path) -> None:
    picture = Image.new("RGB", (5, 3), (1, 2, 3))
    picture.putpixel((4, 0), (7, 8, 9))
    pixels = to_tensor(read_picture(saved(tmp_path, picture)))
    assert pixels.shape == (3, 5, 3) and pixels.dtype == torch.uint8
    assert pixels[0, 4].tolist() == [7, 8, 9]
    assert pixels[2, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK"])
def test_other_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    path = saved(tmp_path, Image.new("RGB", (4, 4), "white").convert(mode), "picture.tiff")
    assert to_tensor(read_picture(path)).float().mean() == 255


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (2, 1), (10, 20, 30, 255))
    picture.putpixel((1, 0), (10, 20, 30, 0))
    pixels = to_tensor(read_picture(saved(tmp_path, picture)))
    assert pixels.tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_gray_of_16_bits(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.new("I;16", (2, 2), 128 * 256))
    assert to_tensor(read_picture(path))[0, 0].tolist() == [128, 128, 128]


def test_a_turned_photo_is_turned_back(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: the top of the picture is at the right
    path = saved(tmp_path, Image.new("RGB", (40, 20)), "turned.jpg", exif=exif)
    assert to_tensor(read_picture(path)).shape == (40, 20, 3)


def test_what_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"nothing\.png is not there"):
        read_picture(tmp_path / "nothing.png")
    with pytest.raises(PictureError, match="is a folder"):
        read_picture(tmp_path)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(PictureError, match=r"text\.png cannot be read as a picture"):
        read_picture(tmp_path / "text.png")
    whole = saved(tmp_path, Image.effect_noise((64, 64), 50)).read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PictureError, match=r"half\.png cannot be read as a picture"):
        read_picture(tmp_path / "half.png")


def test_faces_are_drawn_and_the_picture_stays() -> None:
    picture = Image.new("RGB", (100, 80))
    box = torch.tensor([[20.0, 30.0, 60.0, 70.0]])
    points = torch.tensor([[[30.0, 40.0], [50.0, 40.0], [40.0, 50.0], [32.0, 60.0], [48.0, 60.0]]])
    drawn = draw_faces(picture, box, points, torch.tensor([0.99]))
    assert drawn.getpixel((20, 50)) == drawn.getpixel((60, 50)) == (0, 230, 118)
    assert drawn.getpixel((30, 40)) == drawn.getpixel((48, 60)) == (255, 64, 129)
    assert drawn.getpixel((25, 35)) == (0, 0, 0)
    assert picture.getbbox() is None


def test_no_faces_are_drawn() -> None:
    picture = Image.new("RGB", (10, 10))
    drawn = draw_faces(picture, torch.zeros(0, 4), torch.zeros(0, 5, 2), torch.zeros(0))
    assert drawn.tobytes() == picture.tobytes()
