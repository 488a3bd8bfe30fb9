"""Bytes to write, in pieces: a short piece is in memory, a long one is read when it is written."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from nacelle_cli.reading.archives import Archive


@dataclass(frozen=True)
class Piece:
    """Bytes of a known number.

    Attributes:
        size: Their number.
        blocks: Gives them in blocks, from the first with each call.
    """

    size: int
    blocks: Callable[[], Iterator[bytes]]


def of_bytes(content: bytes) -> Piece:
    """Bytes at hand."""
    return Piece(len(content), lambda: iter((content,)))


def of_entry(archive: Archive, entry: str, start: int, size: int) -> Piece:
    """A part of an entry of an archive, which must stay open."""
    return Piece(size, lambda: archive.blocks(entry, start, size))


def joined(parts: Sequence[Piece]) -> Piece:
    """Pieces one after the other, as one."""
    return Piece(
        sum(part.size for part in parts), lambda: itertools.chain.from_iterable(part.blocks() for part in parts)
    )
