"""Reads facts about a plan in place: size, sha256, header, and the description in a plan of the reference engine.

A plan is a file, or a text in a program's pickle: the bytes themselves (records of version 3) or base64. It is read in
blocks.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nacelle_core
from nacelle_cli.reading import texts
from nacelle_cli.reading.errors import ReadingError
from nacelle_core import PlanHeader

_BLOCK = 3 << 18  # decoded bytes; a multiple of three, so that base64 is cut between groups
# Tensors, extents and profiles that a reference plan tells of at most.
_MOST_OF_A_PLAN = 20_000


@dataclass(frozen=True)
class PlanBytes:
    """A plan's bytes, none of which are in memory.

    Attributes:
        stored_size: Bytes as they are stored.
        part: Reads a part of the stored bytes: (start, size).
        encoded: True if the stored bytes are base64.
    """

    stored_size: int
    part: Callable[[int, int], bytes]
    encoded: bool

    def blocks(self) -> Iterator[bytes]:
        """The plan from its start, in blocks.

        Raises:
            nacelle_core.RecordError: Base64 is malformed.
        """
        step = _BLOCK // 3 * 4 if self.encoded else _BLOCK
        for start in range(0, self.stored_size, step):
            stored = self.part(start, min(step, self.stored_size - start))
            yield nacelle_core.decode_base64(stored, start, self.stored_size) if self.encoded else stored


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of a plan.

    Attributes:
        name: Its name.
        dtype: As torch names it, without ``torch.``.
        shape: -1 for a dynamic extent.
        profiles: (min, opt, max) for each optimization profile; none for an output or a fixed shape.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    profiles: tuple[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]], ...] = ()


@dataclass(frozen=True)
class Plan:
    """The facts about a plan that are known without the library that runs it.

    Attributes:
        size: Its bytes.
        sha256: The digest of its bytes, in hexadecimal digits.
        kind: ``"TensorRT"``, ``"TensorRT-RTX"``, ``"reference engine"``; empty if there is a `problem`.
        release: ``"8.6.1.6"``; of a reference plan its format version; empty if there is a `problem`.
        description: Its builder: ``"TensorRT 8.6.1.6"``, ``"reference engine, plan format 1"``, and whether it cannot
            run here; `problem` if there is one.
        problem: Why the header cannot be read; else empty.
        name: The engine's own name, of reference plans.
        profile_count: Number of optimization profiles of a reference plan; else None.
        inputs: Its inputs in its own order, of reference plans; else None.
        outputs: The same of its outputs.
    """

    size: int
    sha256: str
    kind: str
    release: str
    description: str
    problem: str
    name: str = ""
    profile_count: int | None = None
    inputs: tuple[TensorSpec, ...] | None = field(default=None)
    outputs: tuple[TensorSpec, ...] | None = field(default=None)


def of_file(path: Path) -> PlanBytes:
    """The bytes of a plan in a file of its own."""

    def part(start: int, size: int) -> bytes:
        with path.open("rb") as file:
            return os.pread(file.fileno(), size, start)

    return PlanBytes(path.stat().st_size, part, encoded=False)


def of_bytes(stored: bytes, encoded: bool) -> PlanBytes:
    """The bytes of a short plan that was read already."""
    return PlanBytes(len(stored), lambda start, size: stored[start : start + size], encoded)


def read(plan: PlanBytes) -> Plan:
    """Reads a plan once, from its first to its last byte.

    Raises:
        nacelle_core.RecordError: Its base64 is malformed.
    """
    digest = hashlib.sha256()
    size = 0
    head = b""
    for block in plan.blocks():
        digest.update(block)
        size += len(block)
        head = head or block
    try:
        header = PlanHeader.parse(head[: nacelle_core.PLAN_START], size)
    except nacelle_core.PlanError as error:
        return Plan(size, digest.hexdigest(), "", "", str(error), str(error))
    known: dict[str, object] = {}
    problem = ""
    if header.kind == "reference engine" and header.release == "1":
        try:
            known = _reference(head, size)
        except (struct.error, KeyError, ReadingError):
            problem = "its list of inputs and outputs is damaged"
    description = problem or header.description
    return Plan(size, digest.hexdigest(), header.kind, header.release, description, problem, **known)  # type: ignore[arg-type]


def _reference(head: bytes, size: int) -> dict[str, object]:
    """The facts in a plan of the reference engine (docs/reference/reference_engine.md has the format)."""
    cursor = _Cursor(head, 8, _MOST_OF_A_PLAN)
    if cursor.number("<Q") != size:
        raise ReadingError("the plan's size is another")
    cursor.number("<Q")  # checksum
    profile_count = cursor.number("<i")
    return {
        "name": cursor.text(),
        "profile_count": profile_count,
        "inputs": tuple(cursor.tensor() for _ in cursor.counted()),
        "outputs": tuple(cursor.tensor() for _ in cursor.counted()),
    }


@dataclass
class _Cursor:
    """Reads from the plan's first block, which holds the description."""

    data: bytes
    offset: int
    left: int  # tensors, extents and profiles that may still come: some take no bytes of the plan

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self.data, self.offset)
        self.offset += struct.calcsize(form)
        return int(value)

    def count(self) -> int:
        value = self.number("<I")
        if value > len(self.data):
            raise ReadingError("a count is larger than the plan")
        return value

    def counted(self) -> range:
        """A range whose length is the next number."""
        value = self.count()
        self.left -= value
        if self.left < 0:
            raise ReadingError("it tells of more tensors and profiles than a plan has")
        return range(value)

    def text(self) -> str:
        size = self.count()
        self.offset += size
        return texts.from_bytes(self.data[self.offset - size : self.offset])

    def shape(self, rank: int) -> tuple[int, ...]:
        self.left -= rank
        if self.left < 0:
            raise ReadingError("it tells of more extents than a plan has")
        return tuple(self.number("<q") for _ in range(rank))

    def tensor(self) -> TensorSpec:
        name = self.text()
        dtype = nacelle_core.DATA_TYPES[self.number("<i")]
        self.number("<I")  # flags
        rank = self.count()
        shape = self.shape(rank)
        profiles = tuple((self.shape(rank), self.shape(rank), self.shape(rank)) for _ in self.counted())
        return TensorSpec(name, dtype, shape, profiles)
