r"""Texts of files. A pickle's texts are bytes that need not be UTF-8: they are kept as Python's surrogates."""

from __future__ import annotations

import re

# Characters that a terminal obeys, or that show a line in another order or not at all: control characters, marks of the
# writing direction, separators of lines, marks without a width that begin or annotate a text, and tags.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


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
    return _UNPRINTABLE.sub(_escaped, shown(text))


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    if ord(character) > 0xFFFF:
        return f"\\U{ord(character):08x}"
    if ord(character) > 0xFF:
        return f"\\u{ord(character):04x}"
    return "".join(f"\\x{byte:02x}" for byte in character.encode())


def printable_lines(text: str) -> str:
    """The same of a text of several lines."""
    return "\n".join(map(printable, text.split("\n")))


def quoted(text: str, limit: int = 80) -> str:
    """The text in quotes for a message, cut after `limit` bytes: as core/text.h's Quote, for a terminal."""
    raw = to_bytes(text)
    cut = raw[:limit]
    if len(raw) > limit:
        # Back to the start of a character that was cut in two.
        while cut and _is_continuation(raw[len(cut)]) and _starts_before(raw, len(cut)):
            cut = cut[:-1]
    inner = re.sub(r'(["\\])', r"\\\1", from_bytes(cut))
    inner = re.sub("[\ud800-\udfff]", lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", inner)
    inner = _UNPRINTABLE.sub(_escaped, inner)
    return f'"{inner}"' + (f"… ({len(raw)} bytes)" if len(raw) > limit else "")


def _character_bytes(character: str) -> bytes:
    return character.encode("utf-8", "surrogateescape" if "\udc80" <= character <= "\udcff" else "surrogatepass")


def _is_continuation(byte: int) -> bool:
    return byte & 0xC0 == 0x80


def _starts_before(raw: bytes, end: int) -> bool:
    """Whether a well-formed character reaches over `end`."""
    for start in range(max(0, end - 3), end):
        for stop in range(end + 1, min(len(raw), start + 4) + 1):
            try:
                if len(raw[start:stop].decode("utf-8")) == 1:
                    return True
            except UnicodeDecodeError:
                continue
    return False
