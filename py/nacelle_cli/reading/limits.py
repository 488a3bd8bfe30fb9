"""Limits on what one file may cost to read, however it was made: bytes unpacked, values, depth, paths, source code.

A limit grows with the file: a program of gigabytes has more in it than one of kilobytes. The environment variable
``NACELLE_READING_LIMITS`` is a number by which all of them are multiplied; left out, 1.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from nacelle_cli.reading.errors import ReadingError

VARIABLE = "NACELLE_READING_LIMITS"


@dataclass(frozen=True)
class Limits:
    """The limits of one file.

    Attributes:
        unpacked: Bytes of all members of the archive, unpacked, in sum.
        values: Values in its pickles; and visits to them, since a value can be held many times.
        texts: Bytes of the texts in its pickles that are kept, which long ones are not.
        depth: Containers and objects, one within another.
        paths: Characters of the paths of all values.
        source: Bytes of source code.
        statement: Words and marks of one statement of it: Python's parser takes about 800 bytes for each.
        definitions: Classes, functions, their arguments and attributes, by how much of each there is to remember.
        engines: Engines, one that is held twice counted twice.
        fields: Bytes of the fields of all records, beside their plans.
    """

    unpacked: int
    values: int
    texts: int
    depth: int
    paths: int
    source: int
    statement: int
    definitions: int
    engines: int
    fields: int


def of_size(size: int) -> Limits:
    """The limits of a file of `size` bytes.

    Raises:
        ReadingError: The environment variable is no number from 1 to 1e9.
    """
    times = _factor()
    return Limits(
        unpacked=int(((32 << 20) + 8 * size) * times),
        values=int((100_000 + size // 20) * times),
        texts=int(((2 << 20) + size) * times),
        depth=int(200 * times),
        paths=int(((8 << 20) + size) * times),
        source=int(((4 << 20) + size // 2) * times),
        statement=int((48_000 + size // 128) * times),
        definitions=int((75_000 + size // 50) * times),
        engines=int((2000 + size // 1000) * times),
        fields=int(((1 << 20) + size // 4) * times),
    )


def exceeded(where: str, what: str, found: int, allowed: int) -> ReadingError:
    """The error for a file that is over a limit.

    Args:
        where: The file, and the member of it.
        what: The sort of thing that is counted: ``bytes unpacked``.
        found: Their number, or the number that was counted before the reader gave up.
        allowed: The limit.
    """
    return ReadingError(
        f"{where}: {what}: {found} or more; wanted at most {allowed}, which no common program of this size comes near; "
        f"to read it all the same, set the environment variable {VARIABLE} to a number by which all limits are "
        "multiplied"
    )


def _factor() -> float:
    text = os.environ.get(VARIABLE, "")
    if not text:
        return 1.0
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 1 <= factor <= 1e9:
        raise ReadingError(
            f"{VARIABLE} is {text[:80]!r}; wanted a number from 1 to 1e9, by which limits are multiplied"
        )
    return factor
