"""The registry of translations: operators, their versions, and the functions that translate them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from onnx_to_torchscript.node import Node, Result

Translation: TypeAlias = Callable[[Node], str | Result]


@dataclass(frozen=True)
class Operator:
    """The translation of an operator of the domain ai.onnx.

    Attributes:
        first: the oldest version that is; a version is the opset that brought it.
        last: the newest.
        translate: gives the expression for a node; None for control flow, which the translator writes itself.
    """

    first: int
    last: int
    translate: Translation | None


OPERATORS: dict[str, Operator] = {}


def operator(name: str, first: int, last: int) -> Callable[[Translation], Translation]:
    """Registers a function as the translation of an operator."""

    def register(translate: Translation) -> Translation:
        add(name, first, last, translate)
        return translate

    return register


def add(name: str, first: int, last: int, translate: Translation | None) -> None:
    """Registers the translation of an operator.

    Raises:
        ValueError: it has one already.
    """
    if name in OPERATORS:
        raise ValueError(f"{name} has two translations")
    OPERATORS[name] = Operator(first, last, translate)


def supported_operators() -> dict[str, tuple[int, int]]:
    """The operators of the domain ai.onnx that are translated, each with its oldest and newest version."""
    return {name: (found.first, found.last) for name, found in sorted(OPERATORS.items())}
