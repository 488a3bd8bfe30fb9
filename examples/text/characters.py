"""From codes to text."""

from pathlib import Path

import onnx
from torch import Tensor


def read_characters(model: Path) -> list[str]:
    """The character of each code, from the model's own description; code 0 is the blank.

    Raises:
        ValueError: the model has no such description.
    """
    metadata = {entry.key: entry.value for entry in onnx.load(model, load_external_data=False).metadata_props}
    if "character" not in metadata:
        found = ", ".join(metadata) or "nothing"
        raise ValueError(f"{model} describes {found}; its characters were wanted, as `character`")
    return ["", *metadata["character"].split("\n"), " "]


def texts(codes: Tensor, characters: list[str]) -> list[str]:
    """The text of each line of codes [n, length]."""
    return ["".join(characters[code] for code in line if code >= 0) for line in codes.tolist()]
