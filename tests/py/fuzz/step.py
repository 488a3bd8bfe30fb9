"""The statements that made-up modules consist of.

Each works on ``x``, a tensor of the shape (rows, 4), and leaves such a tensor of the same dtype, so that any of them
can be left out and the rest is still a program. In the texts ``{k}`` is a number of the step's own, ``{n}`` a small
number and ``{d}`` the dtype of ``x``.
"""

from __future__ import annotations

from dataclasses import dataclass

FLOATS = ("float32", "float64", "float16")
INTEGERS = ("int32", "int64", "uint8")
NUMBERS = FLOATS + INTEGERS
ANY = (*NUMBERS, "bool")
BOOL = ("bool",)
WIDE_FLOATS = ("float32", "float64")
GROUPS = {"f": FLOATS, "w": WIDE_FLOATS, "i": INTEGERS, "n": NUMBERS, "a": ANY, "b": BOOL}


@dataclass(frozen=True)
class Step:
    """A statement and what has to be there for it.

    Attributes:
        kind: Its group, for statistics and weights.
        dtypes: The dtypes of ``x`` that it takes.
        forward: Lines of forward.
        init: Lines of ``__init__``.
        head: Lines before the class.
        body: Lines of the class: methods and attributes.
        layer: The attribute that is a layer for tensors like ``x``, if there is one: it can become an engine.
    """

    kind: str
    dtypes: tuple[str, ...]
    forward: str
    init: str = ""
    head: str = ""
    body: str = ""
    layer: str = ""


def plain(kind: str, group: str, *lines: str) -> list[Step]:
    """Steps that are lines of forward alone."""
    return [Step(kind, GROUPS[group], line) for line in lines]
