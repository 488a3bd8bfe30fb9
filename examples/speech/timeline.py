"""A line of characters in which time goes to the right."""

from collections.abc import Sequence
from itertools import pairwise

BARS = " ▁▂▃▄▅▆▇█"


def bars(values: Sequence[float], width: int) -> str:
    """Values from 0 to 1 as bars; means of neighbours if there are more than `width`."""
    return "".join(BARS[round(mean * (len(BARS) - 1))] for mean in means(values, width))


def means(values: Sequence[float], width: int) -> list[float]:
    """The values as `width` means of neighbours; unchanged if there are no more than `width`."""
    if len(values) <= width:
        return list(values)
    edges = [round(index * len(values) / width) for index in range(width + 1)]
    return [sum(values[begin:end]) / (end - begin) for begin, end in pairwise(edges)]


def ruler(seconds: float, width: int) -> str:
    """Seconds along a line of `width` characters."""
    line = [" "] * width
    step = next(step for step in (1, 2, 5, 10, 30, 60, 300, 3600) if seconds / step <= width / 8)
    for second in range(0, int(seconds) + 1, step):
        label = str(second)
        place = round(second / seconds * width)
        if place + len(label) <= width:
            line[place : place + len(label)] = label
    return "".join(line)
