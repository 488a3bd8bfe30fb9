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
        path: Its path in the file; in a TorchScript program, in the form of ``nacelle.EngineInfo.path``.
        record: Its record; None if there is none, or if it is damaged, and then `problem` says how.
        plan: The facts about its plan; None if it cannot be found.
        problem: The fault of the record, or the reason why there is no plan; else empty.
        stored: The plan's bytes, valid while the file is open; None if `plan` is.
        input_names: Names of its inputs if the file has them, in the record or beside the plan.
        output_names: The same for its outputs.
        details: Other facts that a file without records has about it, for a person.
        flags: Flags that a file without records has, by the names that a record has for them.
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
    """The version of a record, once its number of fields is checked.

    Raises:
        nacelle_core.RecordError: The version is unknown, or has another number of fields.
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
        """The text in a field beside the plan; empty if the field holds no text."""
        size = field.size if isinstance(field, pickles.LongText) else len(field) if isinstance(field, str) else 0
        self._fields += size
        if self._fields > self._file.limits.fields:
            where = f"{self._file.path}: with a field of {size} bytes"
            raise limits.exceeded(where, "bytes of records beside plans", self._fields, self._file.limits.fields)
        if isinstance(field, pickles.LongText):
            return texts.from_bytes(archive.part(field.entry, field.start, field.size))
        return field if isinstance(field, str) else ""


def whole(fields: Sequence[object], archive: Archive) -> list[bytes]:
    """The fields of a record as bytes, the plan's too; what is no text is empty."""
    return [
        archive.part(field.entry, field.start, field.size)
        if isinstance(field, pickles.LongText)
        else texts.to_bytes(field if isinstance(field, str) else "")
        for field in fields
    ]


def plan_bytes(field: object, encoded: bool, archive: Archive) -> plans.PlanBytes:
    """The plan in a record's field; nothing of it is read."""
    if isinstance(field, pickles.LongText):
        long = field
        return plans.PlanBytes(
            long.size, lambda offset, size: archive.part(long.entry, long.start + offset, size), encoded
        )
    return plans.of_bytes(texts.to_bytes(field) if isinstance(field, str) else b"", encoded)
