"""Blobs of Torch-TensorRT's delegate in an ExecuTorch program (.pte), found by their first bytes.

::

    "TR01" or "TR02"   metadata's offset, its size, the plan's offset (a multiple of 16), its size, eight bytes
    …                  JSON: inputs and outputs, flags
    …                  the plan

Offsets count from the blob's start. The program around the blobs (a FlatBuffer) is not read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nacelle_cli.reading import limits, zips
from nacelle_cli.reading.containers import json_texts
from nacelle_cli.reading.containers.container import Container, bare_engine, short
from nacelle_cli.reading.containers.json_texts import entries, items, number, text, within
from nacelle_cli.reading.plans import TensorSpec
from nacelle_cli.reading.records import Engine

_BLOB = struct.Struct("<4sIIIQ8s")
_MAGICS = (b"TR01", b"TR02")
_BLOCK = 1 << 20
_ALIGNMENT = 16


def matches(content: zips.Bytes) -> bool:
    """True if it begins as an ExecuTorch program does, or is a blob by itself."""
    head = content.at(0, 8)
    return (head[4:6] == b"ET" and head[6:8].isdigit()) or head[:4] in _MAGICS


def read(path: Path, content: zips.Bytes, allowed: limits.Limits) -> Container:
    """Finds the blobs of a file.

    Raises:
        ReadingError: There is more in it than a limit allows.
    """
    found = Container(path, content.size, "ExecuTorch program")
    end = tried = json_bytes = 0
    for start in _places(content):
        if start < end:  # within the blob before
            continue
        tried += 1
        if tried > allowed.values:
            raise limits.exceeded(str(path), "marks of blobs", tried, allowed.values)
        blob = _Blob(content, start)
        if not blob.is_one:
            continue
        if problem := blob.problem():
            found.note(f"{blob.magic} at byte {start} is no blob that can be read: {problem}")
            continue
        json_bytes += blob.metadata_size
        if json_bytes > allowed.json:
            raise limits.exceeded(str(path), "bytes of JSON", json_bytes, allowed.json)
        found.add(blob.engine(f"{path}: {blob.magic} at byte {start}", len(found.engines), allowed), allowed)
        end = start + blob.plan_offset + blob.plan_size
    return found


def _places(content: zips.Bytes) -> Iterator[int]:
    """Where a blob may begin."""
    for block_start in range(0, content.size, _BLOCK):
        block = content.at(block_start, _BLOCK + 3)
        at = block.find(b"TR0")
        while at >= 0:
            if at < _BLOCK and block[at : at + 4] in _MAGICS:
                yield block_start + at
            at = block.find(b"TR0", at + 1)


class _Blob:
    def __init__(self, content: zips.Bytes, start: int) -> None:
        raw = content.at(start, _BLOB.size)
        fields = _BLOB.unpack(raw.ljust(_BLOB.size, b"\0"))
        self.content = content
        self.start = start
        self.magic = raw[:4].decode()
        self.metadata_offset, self.metadata_size, self.plan_offset, self.plan_size = fields[1:5]

    @property
    def is_one(self) -> bool:
        """True if its JSON begins where it says: other bytes of a file may have these letters."""
        if self.metadata_offset < _BLOB.size or self.metadata_size < 2:
            return False
        return self.content.at(self.start + self.metadata_offset, 1) == b"{"

    def problem(self) -> str:
        """Says which offset is wrong; empty if none is."""
        room = self.content.size - self.start
        metadata_end = self.metadata_offset + self.metadata_size
        if metadata_end > room:
            return f"its JSON ends at byte {metadata_end} of {room}"
        if self.plan_offset < metadata_end:
            return f"its plan begins at byte {self.plan_offset}, before its JSON ends at {metadata_end}"
        if self.plan_offset % _ALIGNMENT:
            return f"its plan begins at byte {self.plan_offset}, which is no multiple of {_ALIGNMENT}"
        if self.plan_offset + self.plan_size > room:
            return f"its plan of {self.plan_size} bytes ends at byte {self.plan_offset + self.plan_size} of {room}"
        return ""

    def engine(self, where: str, index: int, allowed: limits.Limits) -> Engine:
        if self.metadata_size > allowed.json:
            raise limits.exceeded(where, "bytes of JSON", self.metadata_size, allowed.json)
        raw = self.content.at(self.start + self.metadata_offset, self.metadata_size)
        told = json_texts.parsed(raw, where, allowed)
        bindings = [entry for entry in items(within(told, "io_bindings")) if isinstance(entry, dict)]
        specs = tuple(
            tuple(_spec(entry) for entry in bindings if bool(entry.get("is_input")) is is_input)
            for is_input in (True, False)
        )
        plan_start = self.start + self.plan_offset
        return bare_engine(
            f"blobs[{index}]",
            self.plan_size,
            lambda offset, size: self.content.at(plan_start + offset, size),
            input_names=tuple(spec.name for spec in specs[0]),
            output_names=tuple(spec.name for spec in specs[1]),
            specs=(specs[0], specs[1]),
            details=_details(told, self.magic, self.start),
            flags=_flags(told),
        )


def _spec(entry: dict[str, Any]) -> TensorSpec:
    shape = tuple(-1 if (extent := number(each)) is None else extent for each in items(entry.get("shape")))
    dtype = text(entry.get("dtype")).removeprefix("torch.")
    return TensorSpec(text(entry.get("name")), short(dtype, 40) or "unknown", shape)


def _flags(told: Any) -> dict[str, object]:
    return {
        "hardware_compatible": within(told, "hardware_compatible") in (True, 1, "1"),
        "target_platform": short(text(within(told, "target_platform"))) or "unknown",
    }


def _details(told: Any, magic: str, start: int) -> dict[str, str]:
    details = {"blob": f"{magic} at byte {start}"}
    if (device := number(within(told, "device_id"))) is not None:
        details["device"] = f"GPU {device}"
    for output, alias in entries(within(told, "aliased_io"))[:20]:
        details[f"output {short(output, 60)}"] = (
            f"is input {short(text(within(alias, 0)), 60)} ({short(text(within(alias, 1)), 40)})"
        )
    return details
