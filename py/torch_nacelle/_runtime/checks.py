"""Checks arguments before C++ or torch get them, whose messages name types of C++ and no argument."""

import operator
import os
from collections.abc import Iterable, Mapping, Set
from typing import Any

import torch

from torch_nacelle.errors import InputError


def text(value: object, what: str) -> str:
    """`value`, which has to be a text that UTF-8 can hold."""
    if not isinstance(value, str):
        raise InputError(f"{what} is of type {type(value).__name__}; wanted a text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{what} is {value!r}, which UTF-8 cannot hold; wanted another name") from error
    return value


def texts(values: object, what: str) -> list[str]:
    """`values`, which has to list texts."""
    if isinstance(values, str):
        raise InputError(f"{what} is the text {values!r}; wanted a list of texts, such as [{values!r}]")
    if not isinstance(values, Iterable) or isinstance(values, (bytes, Mapping)):
        raise InputError(f"{what} is of type {type(values).__name__}; wanted a list of texts")
    return [text(value, f"{what}[{place}]") for place, value in enumerate(values)]


def whole_number(value: object, what: str) -> int:
    """`value` as an int; it must be a whole number of 64 bits, of Python, numpy or torch."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError as error:
        raise InputError(f"{what} is {value!r}; wanted a whole number") from error
    if not -(2**63) <= number < 2**63:
        raise InputError(f"{what} is {number}; wanted a number of 64 bits")
    return number


def truth(value: object, what: str) -> bool:
    """`value`, which has to be True or False."""
    if not isinstance(value, bool):
        raise InputError(f"{what} is {value!r}; wanted True or False")
    return value


def engine_path(engine: object) -> str | None:
    """`engine`, which has to be an engine's path in a program, or None."""
    if engine is not None and not isinstance(engine, str):
        raise InputError(
            f"engine is of type {type(engine).__name__}; wanted its path, as nacelle.read(program).engines gives it"
        )
    return engine


def device(given: Any) -> torch.device:
    """The device of that name."""
    try:
        found: torch.device = torch.device(given)
        return found
    except (RuntimeError, TypeError) as error:
        raise InputError(f"there is no device {given!r}; give cpu, cuda or cuda:1") from error


def sequence(values: object, what: str, wanted: str) -> list[Any]:
    """`values`, which has to have items in an order."""
    no_list = isinstance(values, (str, bytes, Mapping, Set))
    try:
        if not no_list:
            return list(values)  # type: ignore[call-overload,no-any-return]
    except TypeError:
        pass  # no iterable, or a tensor without dimensions
    raise InputError(f"{what} is {values!r:.80}; wanted {wanted}")


def destination(path: object) -> "str | os.PathLike[str]":
    """`path`, which has to be the path of a file to write."""
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"found {type(path).__name__}; wanted the path of the file to write")
    return path
