r"""Texts of files. A pickle's texts are bytes that need not be UTF-8: they are kept as Python's surrogates."""

from __future__ import annotations

import nacelle_core


def from_bytes(raw: bytes) -> str:
    """A text that keeps every byte: ``to_bytes`` gives them back."""
    return raw.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """The bytes of a text that ``from_bytes`` made; other surrogates, which JSON may hold, as three bytes each."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return b"".join(map(_character_bytes, text))


def lower(text: str) -> str:
    """The text as torch compares the names of files: without the case of the letters of ASCII."""
    return from_bytes(to_bytes(text).lower())


def shown(text: str) -> str:
    r"""The text for a person: bytes that are not UTF-8 as ``\xNN``, as everywhere in Nacelle."""
    return to_bytes(text).decode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    r"""The same for a terminal: control characters are ``\xNN`` too, and marks of direction ``\u202e``."""
    return nacelle_core.printable(to_bytes(text))


def printable_lines(text: str) -> str:
    """The same of a text of several lines."""
    return "\n".join(map(printable, text.split("\n")))


def quoted(text: str, limit: int = 80) -> str:
    """The text in quotes for a message, safe for a terminal, cut after `limit` bytes."""
    return nacelle_core.quote(to_bytes(text), limit)


def _character_bytes(character: str) -> bytes:
    return character.encode("utf-8", "surrogateescape" if "\udc80" <= character <= "\udcff" else "surrogatepass")
