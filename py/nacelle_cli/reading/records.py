"""Engines by their records, as the pickles of a file hold them. Plans stay where they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import nacelle_core
from nacelle_cli.reading import limits, pickles, plans, texts
from nacelle_cli.reading.archives import Archive
from nacelle_cli.reading.errors import ReadingError
from nacelle_core import ENGINE_FIELD, Record


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine in a file.

    Attributes:
        path: Where the file holds it; of a TorchScript program, as ``nacelle.EngineInfo.path`` has it.
        record: Its record; None where it is damaged, and then `problem` says how, or where there is none.
        plan: What is known of its plan; None where it cannot be found.
        problem: What is wrong with the record, or why the plan cannot be found; else empty.
        stored: The plan's bytes, for as long as the file is open; None where `plan` is.
        input_names: Names of its inputs where the file tells them: the record's, or its container's.
        output_names: The same of its outputs.
        details: What a container without records tells of it besides, for a person.
        flags: Flags that a container without records tells, by the names that a record has for them.
    """

    path: str
    record: Record | None
    plan: plans.Plan | None
    problem: str
    stored: plans.PlanBytes | None = None
    input_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, object] = field(default_factory=dict)


def record_version(fields: Sequence[object]) -> int:
    """The version of a record, whose number of fields is right then.

    Raises:
        nacelle_core.RecordError: It is none that is known, or has another number of fields.
    """
    first = fields[0] if fields else ""
    return nacelle_core.record_version(texts.to_bytes(first) if isinstance(first, str) else b"", len(fields))


class Records:
    """Reads the records of one file, which share its limits."""

    def __init__(self, archive: Archive) -> None:
        """For a file, which must stay open."""
        self._file = archive
        self._plans: dict[tuple[object, object, bool], plans.Plan] = {}  # by the field: several records may share one
        self._fields = 0  # bytes of records beside their plans

    def read(self, path: str, fields: Sequence[object], archive: Archive) -> Engine:
        """The engine of a record's fields.

        Args:
            path: Where the file holds it.
            fields: Texts, as a pickle has them.
            archive: The archive in whose entries long texts lie.
        """
        shorter = ["" if i == ENGINE_FIELD else self.text(field, archive) for i, field in enumerate(fields)]
        record, plan, stored, problem = None, None, None, ""
        try:
            version = record_version(fields)
            record = Record.parse([texts.to_bytes(text) for text in shorter], with_plan=False)
            stored = plan_bytes(fields[ENGINE_FIELD], nacelle_core.holds_base64(version), archive)
            plan = self._read_plan(fields[ENGINE_FIELD], stored, version, archive)
        except nacelle_core.Error as error:
            problem = str(error)
        names = (tuple(record.input_names), tuple(record.output_names)) if record else ((), ())
        return Engine(path, record, plan, problem, stored, *names)

    def _read_plan(self, field: object, stored: plans.PlanBytes, version: int, archive: Archive) -> plans.Plan:
        where = f"record of ABI version {version}, field {ENGINE_FIELD} (engine): "
        key = (id(archive), field, stored.encoded)
        if isinstance(field, str | pickles.LongText) and key in self._plans:
            return self._plans[key]
        if stored.stored_size == 0:
            raise ReadingError(where + "the plan is empty; wanted a serialized engine")
        try:
            plan = self._plans[key] = plans.read(stored)
        except nacelle_core.Error as error:
            raise ReadingError(where + str(error)) from error
        return plan

    def text(self, field: object, archive: Archive) -> str:
        """The text in a field beside the plan; empty for what is no text."""
        size = field.size if isinstance(field, pickles.LongText) else len(field) if isinstance(field, str) else 0
        self._fields += size
        if self._fields > self._file.limits.fields:
            where = f"{self._file.path}: with a field of {size} bytes"
            raise limits.exceeded(where, "bytes of records beside plans", self._fields, self._file.limits.fields)
        if isinstance(field, pickles.LongText):
            return texts.from_bytes(archive.part(field.entry, field.start, field.size))
        return field if isinstance(field, str) else ""


def plan_bytes(field: object, encoded: bool, archive: Archive) -> plans.PlanBytes:
    """The plan in a record's field; nothing of it is read."""
    if isinstance(field, pickles.LongText):
        long = field
        return plans.PlanBytes(
            long.size, lambda offset, size: archive.part(long.entry, long.start + offset, size), encoded
        )
    return plans.of_bytes(texts.to_bytes(field) if isinstance(field, str) else b"", encoded)
