"""Plans where they lie: size, sha256, header, and what a plan of the reference engine tells of itself.

A plan is a file, or a text in a program's pickle, as it is (records of version 3) or in base64. It is read in blocks.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nacelle_cli.reading import texts
from nacelle_cli.reading.errors import ReadingError

_BLOCK = 3 << 18  # decoded bytes; a multiple of three, so that base64 is cut between groups
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

# What a plan begins with, who made it, and where the four numbers of the release are (core/plan/plan_header.h).
_LAYOUTS = (
    (b"ftrt", "TensorRT", (24, 25, 26, 27)),
    (b"ptrt", "TensorRT", (28, 33, 38, 43)),
    (b"vtrt", "TensorRT-RTX", (24, 25, 26, 27)),
)
_KNOWN_KINDS = (
    '"ftrt" (TensorRT 8.6 and later), "ptrt" (TensorRT 7.1 to 8.5), "vtrt" (TensorRT-RTX), "nref" (reference engine)'
)
_REFERENCE = b"nref"
# Tensors, extents and profiles that a reference plan tells of at most.
_MOST_OF_A_PLAN = 20_000

# By kind, the minor releases that can be called, as the slot tables say (core/known_releases.h).
_CALLABLE = {
    "TensorRT": (((8, 5), (8, 6)), ((9, 1), (9, 2)), ((10, 0), (10, 16)), ((11, 0), (11, 1))),
    "TensorRT-RTX": (((1, 5), (1, 7)),),
}
# The first release of TensorRT whose plans may run on later ones of the same major release.
_FIRST_VERSION_COMPATIBLE = (8, 6)

# TensorRT's data types by number, with torch's names.
_DTYPES = {
    0: "float32", 1: "float16", 2: "int8", 3: "int32", 4: "bool", 5: "uint8", 6: "float8_e4m3fn", 7: "bfloat16",
    8: "int64", 11: "float8_e8m0fnu",
}  # fmt: skip


@dataclass(frozen=True)
class PlanBytes:
    """A plan's bytes, none of which are in memory.

    Attributes:
        stored_size: Bytes as they are stored.
        part: Reads a part of the stored bytes: (start, size).
        encoded: Whether the stored bytes are base64.
    """

    stored_size: int
    part: Callable[[int, int], bytes]
    encoded: bool

    def blocks(self) -> Iterator[bytes]:
        """The plan from its start, in blocks.

        Raises:
            ReadingError: Base64 is malformed; the words are core/record's.
        """
        if self.encoded and self.stored_size % 4 != 0:
            raise ReadingError(f"base64 of {self.stored_size} characters; wanted a multiple of four (is it cut off?)")
        step = _BLOCK // 3 * 4 if self.encoded else _BLOCK
        for start in range(0, self.stored_size, step):
            size = min(step, self.stored_size - start)
            stored = self.part(start, size)
            yield self._decoded(stored, start) if self.encoded else stored

    def _decoded(self, text: bytes, start: int) -> bytes:
        last = start + len(text) == self.stored_size
        padding = (len(text) - len(text.rstrip(b"="))) if last else 0
        body = text[: len(text) - padding] if padding <= 2 else text
        if body.translate(None, _ALPHABET):
            raise self._bad_character(body, start)
        try:
            decoded = binascii.a2b_base64(text)
        except binascii.Error as error:
            raise ReadingError(f"base64 is malformed at position {start} of {self.stored_size}: {error}") from error
        if padding and base64.b64encode(decoded[-(3 - padding) :])[: 4 - padding] != text[-4:].rstrip(b"="):
            at = start + len(body) - 1
            raise ReadingError(
                f"base64 has {texts.quoted(chr(body[-1]))} at position {at} of {self.stored_size}, before padding; "
                "wanted a character whose unused low bits are zero, as every encoder writes"
            )
        return decoded

    def _bad_character(self, body: bytes, start: int) -> ReadingError:
        at = next(i for i, byte in enumerate(body) if byte not in _ALPHABET)
        where = f"at position {start + at} of {self.stored_size}"
        if body[at : at + 1] == b"=":
            return ReadingError(
                f"base64 has padding {where}; wanted at most two '=', and these at the end, "
                "after at least two characters"
            )
        return ReadingError(
            f"base64 has {texts.quoted(texts.from_bytes(body[at : at + 1]))} {where}; wanted A-Z, a-z, 0-9, '+' or '/'"
        )


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
    """What is known of a plan without the library that runs it.

    Attributes:
        size: Its bytes.
        sha256: Of them, in hexadecimal digits.
        kind: ``"TensorRT"``, ``"TensorRT-RTX"``, ``"reference engine"``; empty where `problem` says why.
        release: ``"8.6.1.6"``; of a reference plan its format version; empty where `problem` says why.
        problem: Why the header cannot be read; else empty.
        name: The engine's own name, of reference plans.
        profile_count: How many optimization profiles it has, of reference plans; else None.
        inputs: Its inputs in its own order, of reference plans; else None.
        outputs: The same of its outputs.
    """

    size: int
    sha256: str
    kind: str
    release: str
    problem: str
    name: str = ""
    profile_count: int | None = None
    inputs: tuple[TensorSpec, ...] | None = field(default=None)
    outputs: tuple[TensorSpec, ...] | None = field(default=None)

    @property
    def description(self) -> str:
        """Its builder: ``"TensorRT 8.6.1.6"``, ``"reference engine, plan format 1"``; and that it cannot run here."""
        if self.problem:
            return self.problem
        if self.kind == "reference engine":
            return f"{self.kind}, plan format {self.release}"
        return f"{self.kind} {self.release}{_why_it_cannot_run(self.kind, self.release)}"


def _why_it_cannot_run(kind: str, release: str) -> str:
    """A clause for a plan that no library can run here, whatever is installed; empty for others."""
    key = tuple(int(number) for number in release.split(".")[:2])
    oldest = next((first for first, _ in _CALLABLE[kind] if first[0] == key[0]), None)
    own_release_alone = kind == "TensorRT" and key < _FIRST_VERSION_COMPATIBLE
    if oldest is not None and not (own_release_alone and key < oldest):
        return ""
    known = ", ".join(".".join(map(str, first)) + " to " + ".".join(map(str, last)) for first, last in _CALLABLE[kind])
    return f" (cannot run here: Nacelle calls {known})"


def of_file(path: Path) -> PlanBytes:
    """The bytes of a plan in a file of its own."""

    def part(start: int, size: int) -> bytes:
        with path.open("rb") as file:
            return os.pread(file.fileno(), size, start)

    return PlanBytes(path.stat().st_size, part, encoded=False)


def of_bytes(stored: bytes, encoded: bool) -> PlanBytes:
    """The same of a short plan that was read already."""
    return PlanBytes(len(stored), lambda start, size: stored[start : start + size], encoded)


def read(plan: PlanBytes) -> Plan:
    """Reads a plan once, from its first to its last byte.

    Raises:
        ReadingError: Its base64 is malformed.
    """
    digest = hashlib.sha256()
    size = 0
    head = b""
    for block in plan.blocks():
        digest.update(block)
        size += len(block)
        head = head or block
    kind, release, problem = _header(head, size)
    known: dict[str, object] = {}
    if kind == "reference engine" and release == "1":
        try:
            known = _reference(head, size)
        except (struct.error, KeyError, ReadingError):
            problem = "its list of inputs and outputs is damaged"
    return Plan(size, digest.hexdigest(), kind, release, problem, **known)  # type: ignore[arg-type]


def _header(head: bytes, size: int) -> tuple[str, str, str]:
    """Kind, release and problem."""
    for magic, kind, offsets in _LAYOUTS:
        if head.startswith(magic):
            if size <= offsets[-1]:
                return "", "", _cut_off(size, magic, offsets[-1] + 1)
            return kind, ".".join(str(head[offset]) for offset in offsets), ""
    if head.startswith(_REFERENCE):
        return _reference_header(head, size)
    first = head[:8]
    bytes_found = f"{first.hex(' ')} ({texts.quoted(texts.from_bytes(first))})" if first else "no bytes"
    return (
        "",
        "",
        (
            f"not a plan that is known: {size} bytes that begin with {bytes_found}; "
            f"wanted one of the magics {_KNOWN_KINDS}"
        ),
    )


def _reference_header(head: bytes, size: int) -> tuple[str, str, str]:
    if size < 8:
        return "", "", _cut_off(size, _REFERENCE, 8)
    (version,) = struct.unpack_from("<I", head, 4)
    if not 0 < version < 1 << 31:
        return "", "", f"reference engine plan of format version {version}; wanted 1 or more: it is damaged"
    return "reference engine", str(version), ""


def _cut_off(size: int, magic: bytes, wanted: int) -> str:
    what = f'plan of {size} bytes begins like one of magic "{magic.decode()}"'
    return f"{what}, whose header takes {wanted} bytes: it is cut off"


def _reference(head: bytes, size: int) -> dict[str, object]:
    """What a plan of the reference engine tells (docs/reference_engine.md has the format)."""
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
    """Reads from the plan's first block, in which the description lies."""

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
        """As many turns as the next number says."""
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
        dtype = _DTYPES[self.number("<i")]
        self.number("<I")  # flags
        rank = self.count()
        shape = self.shape(rank)
        profiles = tuple((self.shape(rank), self.shape(rank), self.shape(rank)) for _ in self.counted())
        return TensorSpec(name, dtype, shape, profiles)
