"""Pictures with text: one to read, and the result drawn into it."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

BOX = (0, 160, 90)

# The lines of the picture that the example draws for itself: text, size, place, colours of letters and ground.
LINES = (
    ("Hello from an engine", 44, (40, 30), "black", None),
    ("2 models, 1 program", 30, (60, 115), (150, 30, 30), None),
    ("Invoice No. 4711", 26, (40, 190), "white", (30, 60, 140)),
    ("TOTAL: 1,234.50 EUR", 26, (330, 190), (20, 20, 20), (255, 220, 90)),
    ("small print is read too", 18, (60, 260), (90, 90, 90), None),
)


def sample() -> Image.Image:
    """A picture with some lines of text."""
    picture = Image.new("RGB", (640, 320), (246, 244, 238))
    draw = ImageDraw.Draw(picture)
    for text, size, place, colour, ground in LINES:
        font = ImageFont.load_default(size)
        if ground is not None:
            left, top, right, bottom = draw.textbbox(place, text, font=font)
            draw.rectangle((left - 10, top - 8, right + 10, bottom + 8), fill=ground)
        draw.text(place, text, fill=colour, font=font)
    return picture


def draw_texts(picture: Image.Image, boxes: Tensor, lines: Sequence[str]) -> Image.Image:
    """The picture with boxes [n, 4] drawn into it, and beside it what was read, each line at its place."""
    drawn = Image.new("RGB", (picture.width * 2, picture.height), "white")
    drawn.paste(picture)
    draw = ImageDraw.Draw(drawn)
    for box, line in zip(boxes.round().tolist(), lines, strict=True):
        left, top, right, bottom = box
        draw.rectangle((left, top, right, bottom), outline=BOX, width=2)
        size = max(8.0, min(0.7 * (bottom - top), 1.8 * (right - left) / max(len(line), 1)))
        draw.text((picture.width + left, top), line, fill="black", font=ImageFont.load_default(size))
    return drawn
