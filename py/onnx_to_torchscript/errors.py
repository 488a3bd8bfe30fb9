"""The errors of a translation."""

from collections.abc import Sequence


class TranslationError(ValueError):
    """An ONNX model that cannot be translated.

    Attributes:
        refused: The parts that are not translated and why, one line each; empty if the model is damaged.
    """

    def __init__(self, message: str, refused: Sequence[str] = ()) -> None:
        """An error with its message and the parts that it lists."""
        super().__init__(message)
        self.refused = tuple(refused)


class UnsupportedError(Exception):
    """A node cannot be translated; the message says why, without naming the node."""
