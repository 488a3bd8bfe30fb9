"""Finds the engines' states in a pickle, and the texts in them that the rest of the pickle uses.

A pickle numbers values as it makes them, and names a value that is needed again by its number:

    X 1 "0"  q 17      the text "0", which gets the number 17
    …
    h 17               the same text again

A state that is cut out of the pickle takes its numbered values along, so a trace keeps where each was made and used.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any

from nacelle_cli.reading import pickles
from nacelle_cli.reading.sources import ENGINE_TYPE

_PUTS = (b"q", b"r")
_GETS = (b"h", b"j")
_NEW_OBJECT = b"\x81"
_BUILD = b"b"
_MARK, _POP = b"(", b"0"
_MAKES_OF_ITEMS, _ADDS_ITEMS = (b"t", b"l", b"d"), (b"e", b"u")  # what is on the stack since the last mark
# How many values an operation takes off the stack beside the one that it leaves there changed.
_TAKES = {b"\x85": 0, b"\x86": 1, b"\x87": 2, b"a": 1, b"s": 2, b"b": 1, b"\x81": 1, b"R": 1, b"Q": 0}
_UNCHANGING = (str, pickles.LongText, pickles.Name, int, float, type(None))


@dataclass(frozen=True)
class Span:
    """A part of a pickle, from its byte `start` to before its byte `end`."""

    start: int
    end: int


@dataclass
class Definition:
    """A value that gets a number while an engine's state is read.

    Attributes:
        put: The operation that numbers it.
        value: The operation that makes it; None for a value of several operations, or one that can change.
        uses: The places of later operations that name it by its number: the first in each engine's state, up to the
            first elsewhere.
    """

    put: Span
    value: Span | None
    uses: list[Span] = field(default_factory=list)
    _user: int = 0  # the engine in whose state the last of them is

    def add_use(self, use: Span, engine: int) -> None:
        """Adds a use in the state of the engine of this number; 0 for one elsewhere."""
        if not self.uses or self._user not in (0, engine):
            self.uses.append(use)
            self._user = engine


@dataclass(frozen=True)
class State:
    """An engine, and the operations that make its state."""

    engine: pickles.Instance
    span: Span


@dataclass
class Trace:
    """Watches the reading of a pickle; give it to ``pickles.load``.

    Attributes:
        states: The states of engines, in the order of the pickle.
        definitions: The values within them that are used later.
        next_number: A number that no value of the pickle has.
    """

    states: list[State] = field(default_factory=list)
    next_number: int = 0
    _stack: array[int] = field(default_factory=lambda: array("Q"))  # for each value where its operations begin, and
    _values: list[Span | None] = field(default_factory=list)  # the operation that makes it, if it is a single one
    _marks: list[tuple[int, int]] = field(default_factory=list)  # where each is, and the number of values before it
    _engines: int = 0  # that were begun
    _open: int = 0  # engines whose state is being read
    _current: dict[int, Definition] = field(default_factory=dict)
    _former: list[Definition] = field(default_factory=list)

    @property
    def definitions(self) -> list[Definition]:
        """Every definition that is used later."""
        return [one for one in (*self._former, *self._current.values()) if one.uses]

    def __call__(self, reading: pickles.Reading, opcode: bytes, start: int) -> None:
        """Takes note of an operation, which begins at the byte `start`."""
        operation = Span(start, reading.position)
        if opcode in _PUTS:
            self._put(reading.number_read, operation, reading.stack[-1])
        elif opcode in _GETS:
            self._push(start, self._get(reading.number_read, operation))
        elif opcode == _MARK:
            self._marks.append((start, len(self._stack)))
        elif opcode in _MAKES_OF_ITEMS:
            begin, size = self._marks.pop()
            self._cut(size)
            self._push(begin, None)
        elif opcode in _ADDS_ITEMS:
            self._cut(self._marks.pop()[1])
            self._values[-1] = None
        elif opcode == _POP:
            self._cut(len(self._stack) - 1)
        elif opcode in _TAKES:
            self._take(reading.stack[-1], opcode, start)
        else:
            self._push(start, operation)

    def _push(self, start: int, value: Span | None) -> None:
        self._stack.append(start)
        self._values.append(value)

    def _cut(self, size: int) -> None:
        del self._stack[size:]
        del self._values[size:]

    def _take(self, left: Any, opcode: bytes, start: int) -> None:
        """Follows an operation that takes values from the stack and leaves `left` in their place."""
        if opcode == _BUILD:
            self._build(left, Span(self._stack[-1], start))
        elif opcode == _NEW_OBJECT and _is_engine(left):
            self._engines += 1
            self._open += 1
        self._cut(len(self._stack) - _TAKES[opcode])
        self._values[-1] = None

    def _build(self, target: Any, span: Span) -> None:
        if _is_engine(target):
            self._open -= 1
            self.states.append(State(target, span))

    def _put(self, number: int, put: Span, value: Any) -> None:
        self.next_number = max(self.next_number, number + 1)
        former = self._current.pop(number, None)
        if former is not None and former.uses:
            self._former.append(former)
        if self._open > 0:
            self._current[number] = Definition(put, self._values[-1] if isinstance(value, _UNCHANGING) else None)

    def _get(self, number: int, use: Span) -> Span:
        """Takes note of a use; returns the operation that makes the value, if that is known, else the use."""
        found = self._current.get(number)
        if found is None:
            return use
        found.add_use(use, self._engines if self._open > 0 else 0)
        return found.value or use


def _is_engine(value: Any) -> bool:
    return isinstance(value, pickles.Instance) and value.type == ENGINE_TYPE
