"""The parts of a recording with speech: from probabilities, or as a person noted them."""

from collections.abc import Sequence
from pathlib import Path

from examples.speech.detector import RATE, WINDOW

SECONDS = WINDOW / RATE  # of a window

# Speech begins at the first probability and ends below the second.
BEGINS = 0.5
ENDS = 0.35
SHORTEST_SPEECH = 0.1  # seconds
SHORTEST_SILENCE = 0.3

Segment = tuple[float, float]


def segments(probabilities: Sequence[float]) -> list[Segment]:
    """The parts with speech, in seconds: short pauses belong to them, short sounds alone are none."""
    found: list[Segment] = []
    start: int | None = None
    for index, probability in enumerate([*probabilities, 0.0]):
        if start is None and probability >= BEGINS:
            start = index
        elif start is not None and probability < ENDS:
            found.append((start * SECONDS, index * SECONDS))
            start = None
    return [(begin, end) for begin, end in joined(found, SHORTEST_SILENCE) if end - begin >= SHORTEST_SPEECH]


def joined(parts: Sequence[Segment], pause: float = 0.0) -> list[Segment]:
    """Parts in order, those that overlap or are less than `pause` apart made one."""
    result: list[Segment] = []
    for begin, end in sorted(parts):
        if result and begin - result[-1][1] <= pause:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((begin, end))
    return result


def read_annotation(path: Path) -> list[Segment]:
    """The parts of an RTTM file in which anyone speaks.

    Raises:
        ValueError: a line is none of this format.
    """
    parts = []
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":
            continue
        if len(fields) < 5:
            raise ValueError(f"{path} has the line {line!r}; RTTM has start and length as its fields 4 and 5")
        parts.append((float(fields[3]), float(fields[3]) + float(fields[4])))
    return joined(parts)


def inside(parts: Sequence[Segment], windows: int) -> list[bool]:
    """A boolean for each window: True if its middle is in one of the parts."""
    middles = [(index + 0.5) * SECONDS for index in range(windows)]
    return [any(begin <= middle < end for begin, end in parts) for middle in middles]


def agreement(parts: Sequence[Segment], others: Sequence[Segment], windows: int) -> float:
    """The share of windows that both take for speech, or both for none."""
    pairs = zip(inside(parts, windows), inside(others, windows), strict=True)
    return sum(one == other for one, other in pairs) / max(windows, 1)
