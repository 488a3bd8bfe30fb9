"""JSON of strangers: parsed only if it cannot cost more memory than its file allows."""

from __future__ import annotations

import json
from typing import Any

from nacelle_cli.reading import limits
from nacelle_cli.reading.errors import ReadingError


def parsed(raw: bytes, where: str, allowed: limits.Limits) -> Any:
    """The value of a JSON text. Its texts may hold any character, a zero byte too.

    Raises:
        ReadingError: It is no JSON, or over a limit.
    """
    if len(raw) > allowed.json:
        raise limits.exceeded(where, "bytes of JSON", len(raw), allowed.json)
    marks = sum(map(raw.count, (b"{", b"[", b",")))
    if marks > allowed.marks:
        raise limits.exceeded(where, "values of JSON", marks, allowed.marks)
    try:
        return json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ReadingError(f"{where} cannot be read as JSON: {str(error)[:200]}") from error


def within(value: Any, *keys: str | int) -> Any:
    """The value at a path of keys and indices; None if nothing is there."""
    for key in keys:
        if isinstance(value, dict) and isinstance(key, str):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return None
    return value


def items(value: Any) -> list[Any]:
    """A list; empty for anything else."""
    return value if isinstance(value, list) else []


def entries(value: Any) -> list[tuple[str, Any]]:
    """The items of an object; empty for anything else."""
    return list(value.items()) if isinstance(value, dict) else []


def text(value: Any) -> str:
    """A text; empty for anything else."""
    return value if isinstance(value, str) else ""


def number(value: Any) -> int | None:
    """A whole number of 64 bits; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63 else None
