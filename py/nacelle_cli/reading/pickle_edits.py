"""Replaces the states of some engines in a pickle, and nothing else.

A new state is written as torch's pickler writes it, but without numbers (memo entries) for its values. If a later
operation names a value of the old state by its number, the value's definition moves to the first such operation. Texts
that several new states share are written once.
"""

from __future__ import annotations

import itertools
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from nacelle_cli.reading import pieces
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.pickle_traces import Definition, Span, Trace
from nacelle_cli.reading.pieces import Piece

_SHORT, _LONG = struct.Struct("<cI"), struct.Struct("<cQ")
_NUMBERED = struct.Struct("<cI")


_NOT_TORCHS = "torch.jit.save writes no such program"


@dataclass(frozen=True)
class Text:
    """A text of a new state; two texts with the same `key` are the same text, unless the key is None."""

    content: Piece
    key: object = None


@dataclass
class Edit:
    """A replacement of a part of a pickle."""

    span: Span
    content: list[Piece]


@dataclass
class _Writer:
    """Writes new states, one after the other in the order of the pickle."""

    next_number: int
    known: dict[object, int] = field(default_factory=dict)

    def state(self, texts: Sequence[Text]) -> list[Piece]:
        made = [pieces.of_bytes(b"ctorch.jit._pickle\nrestore_type_tag\n](")]
        for text in texts:
            made += self._text(text)
        return [*made, pieces.of_bytes(b"e" + _header(len(b"List[str]")) + b"List[str]\x86R")]

    def _text(self, text: Text) -> list[Piece]:
        if text.key in self.known:
            return [pieces.of_bytes(_NUMBERED.pack(b"j", self.known[text.key]))]
        made = [pieces.of_bytes(_header(text.content.size)), text.content]
        if text.key is not None:
            self.known[text.key] = self.next_number
            made.append(pieces.of_bytes(_NUMBERED.pack(b"r", self.next_number)))
            self.next_number += 1
        return made


def engine_pickle(texts: Sequence[Text]) -> list[Piece]:
    """A pickle of one engine, as torch's pickler writes it."""
    state = _Writer(1).state(texts)
    return [
        pieces.of_bytes(b"\x80\x02c__torch__.torch.classes.tensorrt\nEngine\nq\0)\x81"),
        *state,
        pieces.of_bytes(b"b."),
    ]


def call_pickle(module: str, function: str, texts: Sequence[Text]) -> list[Piece]:
    """A pickle of a call with a list of texts, for Python: of protocol 2, and of 4 if a text has four gigabytes."""
    protocol = 2 if all(text.content.size < 1 << 32 for text in texts) else 4
    made = [pieces.of_bytes(b"\x80" + bytes([protocol]) + f"c{module}\n{function}\n](".encode())]
    for text in texts:
        made += [pieces.of_bytes(_header(text.content.size)), text.content]
    return [*made, pieces.of_bytes(b"e\x85R.")]


def _header(size: int) -> bytes:
    return _SHORT.pack(b"X", size) if size < 1 << 32 else _LONG.pack(b"\x8d", size)


def edited(
    size: int, trace: Trace, states: Iterable[tuple[Span, Sequence[Text]]], copied: Callable[[int, int], Piece]
) -> list[Piece]:
    """The pickle with other states of engines.

    Args:
        size: Bytes of the pickle.
        trace: The trace of reading it.
        states: The places of the old states, and the texts of the new ones.
        copied: Gives a part of the pickle: (start, size).

    Raises:
        ReadingError: The rest of the pickle uses a value of an old state that cannot be moved.
    """
    states = sorted(states, key=lambda state: state[0].start)
    replaced = [span for span, _ in states]
    if any(span.end > later.start for span, later in itertools.pairwise(replaced)):
        raise ReadingError(f"the record of an engine is inside of another's; {_NOT_TORCHS}")
    writer = _Writer(trace.next_number)
    edits = [Edit(span, writer.state(texts)) for span, texts in states]
    edits += [edit for one in trace.definitions if (edit := _moved(one, replaced, copied)) is not None]
    made: list[Piece] = []
    position = 0
    for edit in sorted(edits, key=lambda edit: edit.span.start):
        made += [copied(position, edit.span.start - position), *edit.content]
        position = edit.span.end
    return [*made, copied(position, size - position)]


def _moved(definition: Definition, replaced: Sequence[Span], copied: Callable[[int, int], Piece]) -> Edit | None:
    """The edit that keeps a value which a replaced state defines and others use; None if no other uses it."""
    if not _inside(definition.put, replaced):
        return None
    use = next((use for use in definition.uses if not _inside(use, replaced)), None)
    if use is None:
        return None
    if definition.value is None:
        raise ReadingError(
            f"the value at byte {use.start} is shared with the record of an engine, and is no text; {_NOT_TORCHS}"
        )
    return Edit(use, [copied(span.start, span.end - span.start) for span in (definition.value, definition.put)])


def _inside(part: Span, spans: Sequence[Span]) -> bool:
    """True if one of the spans, which are in order, holds the part."""
    place = bisect_right(spans, part.start, key=lambda span: span.start)
    return place > 0 and part.start < spans[place - 1].end
