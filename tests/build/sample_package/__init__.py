"""A package for the test of the wheel rule."""

from pathlib import Path


def numbers() -> list[int]:
    """Returns the numbers in the data file."""
    text = (Path(__file__).parent / "data" / "numbers.txt").read_text(encoding="utf-8")
    return [int(word) for word in text.split()]
