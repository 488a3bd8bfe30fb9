"""Who builds and runs the engines of the examples."""

from typing import Literal, TypeAlias

Backend: TypeAlias = Literal["reference"]


def device_of(backend: Backend) -> str:
    """The device on which engines of a backend run."""
    return "cpu" if backend == "reference" else "cuda"
