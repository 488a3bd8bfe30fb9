"""The whole reader, from an image to the characters in it, as one module that TorchScript compiles.

Its two networks are submodules: in the saved program they are engines, and everything between them stays TorchScript.
"""

import torch
from torch import Tensor, nn

from examples.text import regions

# The ranges that the engines are built for; the reader keeps within them.
STEP = 32  # the detecting network takes sides that are multiples of this
MAX_SIDE = 960
LINE_HEIGHT = 48  # of the reading network
MIN_LINE = 32
MAX_LINE = 1280


class TextReader(nn.Module):
    """Finds lines of text and reads them."""

    def __init__(self, detector: nn.Module, recognizer: nn.Module) -> None:
        """Puts the networks together.

        Args:
            detector: from an image [1, 3, h, w] to the probability of text at each pixel [1, 1, h, w].
            recognizer: from a line [1, 3, 48, w] to the probabilities of characters along it [1, steps, characters].
        """
        super().__init__()
        self.detector = detector
        self.recognizer = recognizer
        self.step = STEP
        self.max_side = MAX_SIDE
        self.line_height = LINE_HEIGHT
        self.min_line = MIN_LINE
        self.max_line = MAX_LINE
        self.pixel_threshold = 0.3  # the least probability of a pixel in a region
        self.region_threshold = 0.5  # the least mean of a region
        self.growth = 1.6  # of regions, see `regions.grow`
        self.least_side = 3.0  # pixels

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reads an image.

        Args:
            image: uint8 [height, width, 3], RGB.

        Returns:
            boxes float32 [n, 4] of lines (left, top, right, bottom, in pixels), in reading order; the codes of their
            characters int64 [n, length], -1 behind the last one of a line; scores float32 [n] from 0 to 1.

        Raises:
            ValueError: the image has another dtype or shape (torch.jit.Error from TorchScript, with the same words).
        """
        if image.dim() != 3 or image.size(-1) != 3 or image.dtype != torch.uint8 or image.numel() == 0:
            raise ValueError(f"image has shape {list(image.shape)}; it must be uint8 [height, width, 3]: one RGB image")
        # The networks were trained with blue first, and with values from -1 to 1.
        pixels = image.permute(2, 0, 1).flip(0)[None].to(torch.float32) / 127.5 - 1.0
        boxes = self.find(pixels)
        lines: list[Tensor] = []
        scores = [pixels.new_zeros([0])]
        longest = 0
        for index in range(boxes.size(0)):
            codes, score = self.read(pixels, boxes[index])
            longest = max(longest, codes.size(0))
            lines.append(codes)
            scores.append(score.reshape(1))
        codes = torch.full([boxes.size(0), longest], -1, dtype=torch.int64, device=image.device)
        for index in range(boxes.size(0)):
            codes[index, : lines[index].size(0)] = lines[index]
        return boxes, codes, torch.cat(scores)

    def find(self, pixels: Tensor) -> Tensor:
        """The boxes [n, 4] of the lines in pixels [1, 3, h, w]."""
        height, width = pixels.size(2), pixels.size(3)
        scale = min(1.0, self.max_side / max(height, width))
        down = max(int(height * scale + self.step / 2) // self.step, 1) * self.step
        across = max(int(width * scale + self.step / 2) // self.step, 1) * self.step
        sized = torch.nn.functional.interpolate(pixels, size=[down, across], mode="bilinear", align_corners=False)
        probabilities = self.detector(sized)[0, 0]
        boxes, means = regions.boxes_of(regions.label(probabilities > self.pixel_threshold), probabilities)
        size = (boxes[:, 2:] - boxes[:, :2]).amin(1)
        boxes = regions.grow(boxes[(means >= self.region_threshold) & (size >= self.least_side)], self.growth)
        factor = torch.tensor([width / across, height / down], device=boxes.device).repeat(2)
        limit = torch.tensor([width, height], device=boxes.device, dtype=boxes.dtype).repeat(2)
        boxes = torch.minimum((boxes * factor).clamp(min=0.0), limit)
        return boxes[regions.reading_order(boxes)]

    def read(self, pixels: Tensor, box: Tensor) -> tuple[Tensor, Tensor]:
        """The codes [length] of the characters in a box [4] of pixels [1, 3, h, w], and the score []."""
        left, top = int(torch.floor(box[0])), int(torch.floor(box[1]))
        right, bottom = int(torch.ceil(box[2])), int(torch.ceil(box[3]))
        line = pixels[:, :, top:bottom, left:right]
        width = int(self.line_height * (right - left) / (bottom - top) + 0.5)
        width = min(max(width, self.min_line), self.max_line)
        line = torch.nn.functional.interpolate(
            line, size=[self.line_height, width], mode="bilinear", align_corners=False
        )
        best, codes = self.recognizer(line)[0].max(1)
        # Each step gives a character or the blank, 0; a character that goes over several steps is one.
        new = codes != 0
        new[1:] = new[1:] & (codes[1:] != codes[:-1])
        score = best[new].mean() if bool(new.any()) else best.new_zeros([])
        return codes[new], score
