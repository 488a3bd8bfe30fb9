"""The engines of a program with the fields of their records, and copies of programs with other records."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import nacelle_core
from nacelle_cli.reading import pickle_edits, pickles, pieces, plans, programs, records, texts
from nacelle_cli.reading.archives import Archive
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.pickle_edits import Text
from nacelle_cli.reading.pickle_traces import Span, Trace
from nacelle_cli.reading.pieces import Piece
from nacelle_cli.reading.plans import PlanBytes
from nacelle_core import ENGINE_FIELD

_GROUPS = 3 << 18  # bytes; a multiple of three, so that base64 is cut between groups


@dataclass(eq=False)
class Plan:
    """A plan that is read when it is needed.

    Attributes:
        stored: Its bytes, as they lie in a file.
        size: Their number, decoded.
        start: The first of them.
        archive: The archive in which it lies.
        part: The part of an entry of `archive`; None for a short plan, and for one from elsewhere.
    """

    stored: PlanBytes
    size: int
    start: bytes
    archive: Archive | None = None
    part: pickles.LongText | None = None

    def read(self) -> bytes:
        """All of it."""
        content = io.BytesIO()
        for block in self.stored.blocks():
            content.write(block)
        return content.getvalue()

    def read_into(self, memory: memoryview) -> None:
        """Reads all of it into `memory`, which has its size."""
        end = 0
        for block in self.stored.blocks():
            start, end = end, end + len(block)
            memory[start:end] = block

    def text(self, encoded: bool) -> Text:
        """The plan as a field of a record."""
        if encoded and not self.stored.encoded:
            content = Piece((self.size + 2) // 3 * 4, self._encoded_blocks)
        elif self.stored.encoded and not encoded:
            content = Piece(self.size, self.stored.blocks)
        elif self.part is not None and self.archive is not None:
            content = pieces.of_entry(self.archive, self.part.entry, self.part.start, self.part.size)
        else:
            content = pieces.of_bytes(self.stored.part(0, self.stored.stored_size))
        return Text(content, (self._identity(), encoded))

    def _identity(self) -> object:
        """Equal for plans that are known to be equal: those that share a text, and short ones."""
        if self.part is not None:
            return self.part
        return self.read() if self.size <= pickles.LONGEST_KEPT else self

    def _encoded_blocks(self) -> Iterator[bytes]:
        rest = b""
        for block in self.stored.blocks():
            rest += block
            whole = len(rest) // _GROUPS * _GROUPS
            yield nacelle_core.encode_base64(rest[:whole])
            rest = rest[whole:]
        yield nacelle_core.encode_base64(rest)


def plan_of(content: bytes, start: int) -> Plan:
    """A plan at hand, of which the first `start` bytes are its start."""
    return Plan(plans.of_bytes(content, encoded=False), len(content), content[:start])


@dataclass(eq=False)
class Engine:
    """An engine of a program; one object may be at several paths.

    Attributes:
        entry: The pickle that holds it.
        span: The place of its state in the pickle.
        fields: Its record's fields, the plan's empty.
        plan: Its plan.
    """

    entry: str
    span: Span
    fields: list[bytes]
    plan: Plan


@dataclass(frozen=True)
class FieldReader:
    """Reads the fields of records as a pickle has them, to write them again.

    Attributes:
        archive: The archive in whose entries long texts lie.
        records: The reader of the file's records, which share its limits.
        start: The number of bytes that ``Plan.start`` has.
    """

    archive: Archive
    records: records.Records
    start: int

    def engine(self, fields: Sequence[Any], entry: str, span: Span) -> Engine:
        """The engine with these fields, whose state is at `span` of the pickle `entry`. Its plan is read once.

        Raises:
            nacelle_core.RecordError: The record is damaged.
        """
        try:
            version = records.record_version(fields)
            plan = self._plan(fields[ENGINE_FIELD], version)
            texts_found = [b"" if i == ENGINE_FIELD else self._text(i, field) for i, field in enumerate(fields)]
        except nacelle_core.Error as error:
            raise nacelle_core.RecordError(str(error)) from error
        return Engine(entry, span, texts_found, plan)

    def _plan(self, field: object, version: int) -> Plan:
        where = f"record of ABI version {version}, field {ENGINE_FIELD} (engine): "
        stored = records.plan_bytes(field, nacelle_core.holds_base64(version), self.archive)
        size, first = 0, b""
        try:
            for block in stored.blocks():
                first = (first + block)[: self.start] if len(first) < self.start else first
                size += len(block)
        except nacelle_core.Error as error:
            raise ReadingError(where + str(error)) from error
        if size == 0:
            raise ReadingError(where + "the plan is empty; wanted a serialized engine")
        return Plan(stored, size, first, self.archive, field if isinstance(field, pickles.LongText) else None)

    def _text(self, index: int, field: object) -> bytes:
        if not isinstance(field, str | pickles.LongText):
            raise ReadingError(f"record field {index} is no text, but {type(field).__name__}; wanted a text")
        return texts.to_bytes(self.records.text(field, self.archive))


class Engines:
    """The engines of a program's archive, found as ``programs.read`` finds them.

    Attributes:
        sites: Each path with its engine, in the order of the program's attributes.
    """

    def __init__(self, archive: Archive, start: int) -> None:
        """Reads the pickles and every plan once.

        Args:
            archive: The program; it must stay open.
            start: The number of bytes that ``Plan.start`` has.

        Raises:
            nacelle_core.RecordError: A record is damaged.
            ReadingError: The program is.
        """
        self.archive = archive
        self._traces = {"data.pkl": Trace(), "constants.pkl": Trace()}
        with programs.without_recursion(archive.path):
            self._reader = programs.Reader(archive, self._traces)
            found = self._reader.find_engines()
        self._check()
        spans = {
            id(state.engine): (entry, state.span) for entry, trace in self._traces.items() for state in trace.states
        }
        read: dict[int, Engine] = {}
        self.sites: list[tuple[str, Engine]] = []
        for path, instance in found:
            if id(instance) not in read:
                fields = list(instance.state) if isinstance(instance.state, list | tuple) else []
                reader = FieldReader(archive, self._reader.records, start)
                read[id(instance)] = reader.engine(fields, *spans[id(instance)])
            self.sites.append((path, read[id(instance)]))

    def _check(self) -> None:
        """Refuses a program whose code may hold engines that nothing here finds."""
        problems = self._reader.source.problems
        if problems and self._traces["constants.pkl"].states:
            raise ReadingError(f"{self.archive.path} has engines among the constants of its code, and {problems[0]}")

    def rewritten(self, changes: Mapping[Engine, Sequence[Text]]) -> dict[str, list[Piece]]:
        """The pickles in which some engines have other fields, by their entries.

        Raises:
            ReadingError: The rest of a pickle depends on what is replaced.
        """
        made = {}
        for entry, trace in self._traces.items():
            states = [(engine.span, fields) for engine, fields in changes.items() if engine.entry == entry]
            if states:
                size = self.archive.size(entry)
                made[entry] = pickle_edits.edited(size, trace, states, self._copier(entry))
        return made

    def _copier(self, entry: str) -> Any:
        return lambda start, size: pieces.of_entry(self.archive, entry, start, size)
