"""The values that a pickle of TorchScript holds, beside Python's own: descriptions, no objects of any class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class LongText:
    """A text that was not kept: the place of its bytes in the archive's entry."""

    entry: str
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Name:
    """A class or function that the pickle names, as ``module.name``."""

    name: str


@dataclass(eq=False, slots=True)
class Instance:
    """An object of a class of the program: the class's name, and the saved state."""

    type: str
    state: Any = None

    @property
    def attributes(self) -> dict[str, Any]:
        """Its attributes by name, if its state has this form."""
        return self.state if isinstance(self.state, dict) else {}


@dataclass(frozen=True, slots=True)
class Storage:
    """The bytes behind tensors: an entry of the archive."""

    key: str
    dtype: str
    device: str
    size: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor's description."""

    dtype: str
    shape: tuple[int, ...]
    storage: Storage
    layout: tuple[Any, ...] = ()  # offset, strides, and flags, as they are in the pickle


@dataclass(eq=False, slots=True)
class Call:
    """A call that the pickle asks for and that nobody makes."""

    function: str
    arguments: tuple[Any, ...]
