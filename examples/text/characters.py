"""Turns the codes of the second model into text."""

from pathlib import Path

import onnx
from torch import Tensor


def read_characters(model: Path) -> list[str]:
    """The character of each code, from the model's own description; code 0 is the blank.

    Raises:
        OSError: there is no such file.
        ValueError: it is no ONNX model, or has no such description.
    """
    try:
        read = onnx.load(model, load_external_data=False)
    except OSError:
        raise
    except Exception as error:  # whatever the parser of the format raises
        raise ValueError(f"{model} cannot be read as an ONNX model: {error}") from error
    metadata = {entry.key: entry.value for entry in read.metadata_props}
    if "character" not in metadata:
        found = ", ".join(metadata) or "none"
        raise ValueError(f"the descriptions in {model} are {found}; one named character was wanted, its characters")
    return ["", *metadata["character"].split("\n"), " "]


def texts(codes: Tensor, characters: list[str]) -> list[str]:
    """The text of each line of codes [n, length]."""
    return ["".join(characters[code] for code in line if code >= 0) for line in codes.tolist()]
