"""The inputs of an AOTInductor package as a text in its metadata: torch keeps neither names nor shapes in it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from torch_nacelle._runtime.input import Input, dtype_name
from torch_nacelle.errors import InputError

KEY = "nacelle_inputs"
"""The name of the text in the metadata."""

_RANGE = ("min", "opt", "max")


@dataclass(frozen=True)
class PackageInput:
    """An argument of a package: its name, its dtype and shapes, or why these are not known."""

    name: str
    input: Input | None = None
    why_unknown: str = ""
    required: bool = True


def write(inputs: Sequence[PackageInput]) -> str:
    """The text for `inputs`, JSON."""
    return json.dumps([_facts(one) for one in inputs])


def read(text: str) -> list[PackageInput]:
    """The inputs that a text describes; none of an empty text.

    Raises:
        InputError: It is none that ``write`` makes.
    """
    if not text:
        return []
    try:
        return [_input(facts) for facts in json.loads(text)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, InputError) as error:
        raise InputError(f"the package's metadata {KEY} cannot be read: {error}; compile it again") from error


def _facts(one: PackageInput) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": one.name, "required": one.required}
    if one.input is None:
        return facts | {"why_unknown": one.why_unknown}
    shapes = (
        {name: [list(getattr(each, name)) for each in one.input.ranges] for name in _RANGE}
        if one.input.dynamic
        else {"shape": list(one.input.shape)}
    )
    return facts | {"dtype": dtype_name(one.input.dtype), "binding": one.input.name} | shapes


def _input(facts: dict[str, Any]) -> PackageInput:
    name, required = str(facts["name"]), bool(facts["required"])
    if "dtype" not in facts:
        return PackageInput(name, None, str(facts["why_unknown"]), required)
    dtype = getattr(torch, str(facts["dtype"]), None)
    if not isinstance(dtype, torch.dtype):
        raise InputError(f"there is no dtype {facts['dtype']!r}")
    shapes = {"shape": facts["shape"]} if "shape" in facts else {key: facts[key] for key in _RANGE}
    return PackageInput(name, Input(dtype=dtype, name=facts["binding"], **shapes), "", required)
