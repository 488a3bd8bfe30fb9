"""Pictures: from a file to a tensor, and faces drawn over it."""

from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageOps
from torch import Tensor

BOX = (0, 230, 118)
LANDMARK = (255, 64, 129)


class PictureError(Exception):
    """A file is no picture that can be read; the message says why."""


def read_picture(path: Path) -> Image.Image:
    """Reads a picture of any kind (gray, palette, transparent, 16 bits, turned by EXIF) as RGB, 8 bits a channel.

    Raises:
        PictureError: no such file, no picture, or a broken one.
    """
    if not path.is_file():
        raise PictureError(f"{path} is {'a folder' if path.is_dir() else 'not there'}; a picture was wanted")
    try:
        with Image.open(path) as file:
            # Not in_place: returns a turned copy, and loads all pixels, so that a file cut short fails here.
            return _to_rgb(ImageOps.exif_transpose(file))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PictureError(f"{path} cannot be read as a picture: {error}") from error


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # integers of 16 or 32 bits; both hold 16 when they come from a file
        return picture.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
    if picture.has_transparency_data:
        background = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(background, picture.convert("RGBA")).convert("RGB")
    return picture.convert("RGB")


def to_tensor(picture: Image.Image) -> Tensor:
    """The pixels of an RGB picture: uint8 [height, width, 3]."""
    pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    return pixels.reshape(picture.height, picture.width, 3)


def draw_faces(picture: Image.Image, boxes: Tensor, landmarks: Tensor, scores: Tensor) -> Image.Image:
    """A copy of the picture with each face's box [n, 4], landmarks [n, 5, 2] and score [n] drawn into it."""
    drawn = picture.copy()
    draw = ImageDraw.Draw(drawn)
    line = max(1, round(min(picture.size) / 200))
    for box, points, score in zip(boxes.round().tolist(), landmarks.round().tolist(), scores.tolist(), strict=True):
        draw.rectangle(box, outline=BOX, width=line)
        draw.text(
            (box[0], max(0, box[1] - 6 * line)),
            f"{score:.4f}",
            fill=BOX,
            font_size=5 * line,
            stroke_width=1,
            stroke_fill="black",
        )
        for x, y in points:
            draw.ellipse((x - line, y - line, x + line, y + line), fill=LANDMARK)
    return drawn
