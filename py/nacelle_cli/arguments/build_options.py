"""Build options as flags of a command."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import typer

from nacelle_cli.arguments.build_flags import BUILD_FLAGS, BuildFlag
from nacelle_cli.failures import wrong_usage

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SIZE = re.compile(r"(\d+)\s*([KMG]?)(?:i?B)?\Z", re.IGNORECASE)


def _given(flag: str, value: Any) -> Any:
    return value


def _size(flag: str, text: str) -> int:
    """Bytes: ``"4G"`` is 4 times 2 to the 30."""
    match = _SIZE.match(text.strip())
    if match is None:
        wrong_usage(f"{flag} takes a number of bytes, such as 512M or 4G; found {text!r}")
    return int(match.group(1)) * _UNITS[match.group(2).upper()]


def _listed(flag: str, text: str) -> list[str]:
    return [] if text == "none" else [part.strip() for part in text.split(",")]


def _cache(flag: str, text: str) -> bool | Path:
    return True if text == "on" else Path(text)


class _Kind(NamedTuple):
    """The flags for options of one type: what typer takes, what the help shows for it, and how it becomes the value."""

    annotation: Any
    metavar: str | None = None
    value: Callable[[str, Any], object] = _given


_KINDS = {
    "switch": _Kind(bool | None),
    "toggle": _Kind(bool | None),
    "number": _Kind(int | None, "N"),
    "bytes": _Kind(str | None, "SIZE", _size),
    "choice": _Kind(str | None, "NAME"),
    "choices": _Kind(str | None, "NAME,…|none", _listed),
    "names": _Kind(list[str] | None, "NAME"),
    "path": _Kind(Path | None, "PATH"),
    "cache_folder": _Kind(str | None, "FOLDER|on", _cache),
}


def _flag(option: BuildFlag) -> str:
    return f"--{option.name.replace('_', '-')}"


def _parameter(option: BuildFlag) -> inspect.Parameter:
    flag = _flag(option)
    kind = _KINDS[option.type]
    declared = typer.Option(
        None,
        f"{flag}/--no-{flag[2:]}" if option.type == "toggle" else flag,
        help=option.help,
        metavar=kind.metavar,
        rich_help_panel="Build options",
        show_default=False,
    )
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(option.name, keyword, default=declared, annotation=kind.annotation)


def with_build_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command a flag for each build option.

    The command has a parameter ``build_options``, which gets the values of the flags that were given, by the options'
    names.
    """

    @functools.wraps(command)
    def wrapper(**arguments: Any) -> None:
        values = {option: arguments.pop(option.name) for option in BUILD_FLAGS}
        given = {
            option.name: _KINDS[option.type].value(_flag(option), value)
            for option, value in values.items()
            if value is not None and value != []
        }
        command(**arguments, build_options=given)

    signature = inspect.signature(command, eval_str=True)
    own = [parameter for name, parameter in signature.parameters.items() if name != "build_options"]
    parameters = [*own, *map(_parameter, BUILD_FLAGS)]
    # typer reads both.
    wrapper.__dict__["__signature__"] = signature.replace(parameters=parameters)
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapper
