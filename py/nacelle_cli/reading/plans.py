"""Reads facts about a plan in place: size, sha256, header, and the description in a plan of the reference engine.

A plan is a file, or a text in a program's pickle: the bytes themselves (records of version 3) or base64. It is read in
blocks.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nacelle_core
from nacelle_core import PlanHeader

_BLOCK = 3 << 18  # decoded bytes; a multiple of three, so that base64 is cut between groups


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

    @classmethod
    def of(cls, tensor: tuple[str, str, list[int], Sequence[Sequence[list[int]]]]) -> TensorSpec:
        """The same as C++ gives it: (name, dtype, shape, profiles)."""
        name, dtype, shape, profiles = tensor
        return cls(
            name, dtype, tuple(shape), tuple((tuple(low), tuple(best), tuple(high)) for low, best, high in profiles)
        )


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
    facts = (size, digest.hexdigest(), header.kind, header.release)
    if header.kind != "reference engine" or header.release != "1":
        return Plan(*facts, header.description, "")
    try:
        name, profile_count, inputs, outputs = nacelle_core.describe_reference_plan(head, size)
    except nacelle_core.PlanError as error:
        return Plan(*facts, str(error), str(error))
    tensors = (tuple(map(TensorSpec.of, inputs)), tuple(map(TensorSpec.of, outputs)))
    return Plan(*facts, header.description, "", name, profile_count, *tensors)
