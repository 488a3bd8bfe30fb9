"""The engines of exported programs and AOTInductor packages with the fields of their records, and copies of the files.

A copy differs from the original in the members that hold changed engines; if an engine gets another layout, also in
the JSON that names its member.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from nacelle_cli.reading import archive_copies, limits, pickle_edits, pieces, programs
from nacelle_cli.reading.archives import Archive
from nacelle_cli.reading.containers.json_texts import entries, text, within
from nacelle_cli.reading.containers.package_objects import (
    CONSTANTS,
    OPAQUE_MODULE,
    OPAQUE_NAME,
    EngineObject,
    PackageObjects,
)
from nacelle_cli.reading.engines import Engine, FieldReader
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.pickle_edits import Text
from nacelle_cli.reading.pickle_traces import Span
from nacelle_cli.reading.pieces import Piece
from nacelle_cli.reading.records import Records

LAYOUTS = ("custom", "opaque")


class PackageEngines:
    """The engines of a package, found as ``packages.read`` finds them.

    Attributes:
        sites: Each path with its engine, in the order of the archive.
    """

    def __init__(self, archive: Archive, stack: ExitStack, start: int) -> None:
        """Reads the objects and every plan once.

        Args:
            archive: The package, whose ``package_kind`` is not empty; it must stay open.
            stack: The holder of the archives within the file: their plans can be read until it closes.
            start: The number of bytes that ``Plan.start`` has.

        Raises:
            nacelle_core.RecordError: A record is damaged.
            ReadingError: The package is.
        """
        self.archive = archive
        self._objects = PackageObjects(archive, stack)
        self._holders: dict[Engine, EngineObject] = {}
        self.sites: list[tuple[str, Engine]] = []
        records = Records(archive)
        with programs.without_recursion(archive.path):
            for found in self._objects.engines():
                engine = FieldReader(found.archive, records, start).engine(found.fields, *_place(found))
                self._holders[engine] = found
                self.sites.append((found.path, engine))
                if len(self.sites) > archive.limits.engines:
                    raise limits.exceeded(str(archive.path), "engines", len(self.sites), archive.limits.engines)

    def layout(self, engine: Engine) -> str:
        """``"custom"`` or ``"opaque"``, as the members are named."""
        return "opaque" if self._holders[engine].trace is None else "custom"

    def check_layout(self, layout: str) -> None:
        """Raises ReadingError if engines of this file cannot have the layout."""
        if layout not in LAYOUTS:
            raise ReadingError(f"found the layout {layout!r}; wanted {' or '.join(LAYOUTS)}")
        if layout == "opaque" and self.archive.package_kind() != "exported program":
            raise ReadingError(
                f"{self.archive.path} is an {self.archive.package_kind()}, whose reader knows no other layout than "
                "custom"
            )

    def rewritten(self, changes: Mapping[Engine, Sequence[Text]], layout: str | None = None) -> dict[str, Any]:
        """The members in which some engines have other fields, by their names; None for a member that goes.

        Args:
            changes: The new fields of engines.
            layout: The layout of these engines; None: the one that each has.

        Raises:
            ReadingError: The rest of a pickle depends on what is replaced.
        """
        made: dict[str, list[Piece] | None] = {}
        renamed: dict[str, str] = {}
        for engine, fields in changes.items():
            holder = self._holders[engine]
            if layout in (None, self.layout(engine)):
                made[holder.member] = [self._edited(engine, holder, fields)]
                continue
            name = self._free_name(layout, len(renamed))
            made |= {holder.member: None, name: [_opaque(fields) if layout == "opaque" else _custom(fields)]}
            renamed[holder.member.removeprefix(CONSTANTS)] = name.removeprefix(CONSTANTS)
        return made | (self._configs(renamed) if renamed else {})

    def _edited(self, engine: Engine, holder: EngineObject, fields: Sequence[Text]) -> Piece:
        if holder.trace is None:
            return _opaque(fields)
        size = holder.archive.size("data.pkl")
        data = pickle_edits.edited(size, holder.trace, [(engine.span, fields)], _copier(holder.archive))
        return archive_copies.piece(holder.archive, {"data.pkl": data})

    def _free_name(self, layout: str | None, number: int) -> str:
        """The member for the engine of this number among those that get the layout."""
        prefix = f"{CONSTANTS}{layout}_obj_"
        taken = [int(digits) for name in self.archive.names if (digits := name.removeprefix(prefix)).isdecimal()]
        return f"{prefix}{max(taken, default=-1) + 1 + number}"

    def _configs(self, renamed: Mapping[str, str]) -> dict[str, list[Piece]]:
        """The JSON in which an exported program names its objects, with other names of members."""
        made = {}
        for name, match in self._objects.configs().items():
            content = self._objects.json(name)
            named = [value for _, value in entries(within(content, "config")) if match[1]]
            changed = [value for value in named if text(within(value, "path_name")) in renamed]
            for value in changed:
                value["path_name"] = renamed[value["path_name"]]
            if changed:
                made[name] = [pieces.of_bytes(json.dumps(content).encode())]
        return made


def _place(found: EngineObject) -> tuple[str, Span]:
    """The pickle with an engine's record, and the place of the record in it; Python's pickle is nothing else."""
    if found.trace is None:
        return found.member, Span(0, found.archive.size(found.member))
    if len(found.trace.states) != 1:
        raise ReadingError(f"{found.archive.path}: data.pkl holds {len(found.trace.states)} engines; wanted one")
    return "data.pkl", found.trace.states[0].span


def _copier(archive: Archive) -> Callable[[int, int], Piece]:
    return lambda start, size: pieces.of_entry(archive, "data.pkl", start, size)


def _custom(fields: Sequence[Text]) -> Piece:
    """An engine as torch pickles it, in an archive of its own."""
    return archive_copies.made(
        "archive",
        {
            "data.pkl": pickle_edits.engine_pickle(fields),
            "version": [pieces.of_bytes(b"3\n")],
            "byteorder": [pieces.of_bytes(b"little")],
        },
    )


def _opaque(fields: Sequence[Text]) -> Piece:
    """An engine as Python pickles Torch-TensorRT's call."""
    return pieces.joined(pickle_edits.call_pickle(OPAQUE_MODULE, OPAQUE_NAME, fields))
