"""Classes that stand in public signatures are public, so that a reader finds them in the Python reference."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_type_hints

import pytest

import torch_nacelle as nacelle

OURS = ("nacelle_cli", "nacelle_core", "onnx_to_torchscript", "torch_nacelle")


def classes_in(hint: Any) -> Iterator[type]:
    """Yields our classes in a type hint, at any depth."""
    parts = hint if isinstance(hint, list) else get_args(hint)  # the arguments of a Callable are a list
    if isinstance(hint, type) and hint.__module__.split(".")[0] in OURS:
        yield hint
    for part in parts:
        yield from classes_in(part)


def signatures(name: str) -> Iterator[tuple[str, Callable[..., Any] | type]]:
    """Yields the parts of a public name that have type hints: a function, or a class with its public members."""
    value = getattr(nacelle, name)
    if not isinstance(value, type):
        if inspect.isfunction(value):
            yield name, value
        return
    yield name, value
    for member, found in inspect.getmembers(value):
        if member.startswith("_") and member != "__init__":
            continue
        function = found.fget if isinstance(found, property) else found
        if (inspect.isfunction(function) or inspect.ismethod(function)) and function.__module__.startswith(OURS):
            yield f"{name}.{member}", function


@pytest.mark.parametrize("name", nacelle.__all__)
def test_types_in_signatures_are_public(name: str) -> None:
    hidden = {
        f"{where} has {found.__module__}.{found.__qualname__}"
        for where, value in signatures(name)
        for parameter, hint in get_type_hints(value).items()
        if not parameter.startswith("_")
        for found in classes_in(hint)
        if getattr(nacelle, found.__name__, None) is not found or found.__name__ not in nacelle.__all__
    }
    assert not hidden


def test_it_finds_a_hidden_type() -> None:

    found = set(classes_in(Callable[[dict[str, nacelle.Input | None]], int | tuple[nacelle.Program, ...]]))
    assert found == {nacelle.Input, nacelle.Program}
