"""Writes equations of Einsum nodes in small letters: TensorRT's parsers refuse capital ones."""

import string

from torch_nacelle._models.onnx_model import nodes_of, onnx_package


def with_small_letters(model: bytes) -> bytes:
    """The model with small letters in its Einsum equations; the same bytes if there are no capital ones.

    A capital letter is another index than the small one, so it becomes a letter that the equation does not have. An
    equation that has more than 26 letters stays as it is.
    """
    if b"Einsum" not in model:
        return model
    proto = onnx_package("ONNX models are read").load_model_from_string(model)
    changed = False
    for node in nodes_of(proto.graph):
        for attribute in node.attribute:
            if node.op_type == "Einsum" and attribute.name == "equation":
                equation = attribute.s.decode()
                attribute.s = small(equation).encode()
                changed = changed or attribute.s.decode() != equation
    return bytes(proto.SerializeToString(deterministic=True)) if changed else model


def small(equation: str) -> str:
    """The equation with another small letter in the place of each capital one; the same if there are not enough."""
    capitals = sorted(set(equation) & set(string.ascii_uppercase))
    free = [letter for letter in string.ascii_lowercase if letter not in equation]
    if len(free) < len(capitals):
        return equation
    # A capital letter becomes its own small one if that is free: equations stay as readable as they were.
    letters: dict[str, str | int | None] = {}
    for capital in capitals:
        letter = capital.lower() if capital.lower() in free else None
        if letter is not None:
            letters[capital] = letter
            free.remove(letter)
    rest = [capital for capital in capitals if capital not in letters]
    letters |= dict(zip(rest, free, strict=False))
    return equation.translate(str.maketrans(letters))
