"""All the parts of a program that torch reads: if two programs have equal parts, torch reads the same from both.

torch numbers classes of one name (``___torch_mangle_3.Net``) by what its process made before, so each gets a number
here by the order in which the program uses it. Positions in source files and the archive's own id are left out.
"""

from __future__ import annotations

import hashlib
import pickletools
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from nacelle_cli.reading import archives, pickles, texts
from nacelle_cli.reading.errors import ReadingError

_NAME = re.compile(r"__torch__(?:\.\w+)+")
_MANGLED = re.compile(r"\.___torch_mangle_\d+")
_TEMPORARY = re.compile(r"\b_\d+\b")
_PART = re.compile(r"^(?=class |def )", re.MULTILINE)
_HEADER = re.compile(r"(?:class|def) (\w+)")
_BLOCK = 1 << 20
# Opcodes of texts, with the size of their length.
_TEXTS = {b"X": "<I", b"B": "<I", b"\x8d": "<Q"}
_OPCODES = {known.code.encode("latin-1"): known for known in pickletools.opcodes}
_PICKLES = ("data.pkl", "constants.pkl")


@dataclass
class Contents:
    """A program in parts.

    Attributes:
        values: Each value by its path: its type, what it is, and which other it is too if it is shared.
        code: The digest of each class and function, with its number among those of one name.
        members: The digest of each other member that torch reads, such as a tensor's bytes.
        pickles: The digest of what the pickles say, beside how their classes are numbered.
    """

    values: dict[str, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)
    pickles: dict[str, str] = field(default_factory=dict)


def read(path: Path) -> Contents:
    """Reads a program to its last byte.

    Raises:
        ReadingError: It cannot be read.
    """
    with archives.Archive(path) as archive:
        classes = _Classes(archive)
        walk = _Walk(archive, classes)
        for name in _PICKLES:
            with archive.open(name) as stream:
                walk.add(pickles.load(stream, name, str(path)), "" if name == "data.pkl" else "CONSTANTS")
        found = Contents(values=walk.values, code=classes.digests())
        for name in _PICKLES:
            with archive.open(name) as stream:
                found.pickles[name] = _stream_digest(stream, classes)
        for name in archive.names:
            if not _is_elsewhere(name):
                found.members[name] = _digest(archive, name, 0, archive.size(name))
        return found


def digest_of(path: Path, names: list[str]) -> dict[str, str]:
    """The sha256 of entries of a program's archive."""
    with archives.Archive(path) as archive:
        return {name: _digest(archive, name, 0, archive.size(name)) for name in names}


def _is_elsewhere(name: str) -> bool:
    """True for a member that is read as another part, or that says nothing of the program."""
    return name in _PICKLES or name.startswith("code/") or name == ".data/serialization_id"


def _digest(archive: archives.Archive, name: str, start: int, size: int) -> str:
    found = hashlib.sha256()
    for block in archive.blocks(name, start, size):
        found.update(block)
    return found.hexdigest()


class _Classes:
    """The source code by full names, and the numbers of classes of one name."""

    def __init__(self, archive: archives.Archive) -> None:
        self._parts: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._todo: list[str] = []
        for name in archive.names:
            if name.startswith("code/") and name.endswith(".py"):
                module = name.removeprefix("code/").removesuffix(".py").replace("/", ".")
                self._add(module, archive.read(name).decode("utf-8", "surrogateescape"))

    def _add(self, module: str, text: str) -> None:
        for i, part in enumerate(_PART.split(text)):
            header = _HEADER.match(part)
            if part.strip():
                self._parts[f"{module}.{header[1] if header else i}"] = part

    def name(self, full: str) -> str:
        """The name without torch's number, and with one by the order of use."""
        known = self._names.get(full)
        if known is None:
            plain = _MANGLED.sub("", full)
            number = self._counts.get(plain, 0)
            self._counts[plain] = number + 1
            known = self._names[full] = f"{plain} ({number + 1})" if number else plain
            self._todo.append(full)
        return known

    def text(self, text: str) -> str:
        """A text with such names in it."""
        return _NAME.sub(self._named, text)

    def _named(self, found: re.Match[str]) -> str:
        """A dotted name with its class or function numbered; the rest of the name is an attribute."""
        full, rest = found[0], ""
        while full not in self._parts and "." in full:
            full, _, last = full.rpartition(".")
            rest = f".{last}{rest}"
        return self.name(full) + rest if full in self._parts else _MANGLED.sub("", found[0])

    def digests(self) -> dict[str, str]:
        """The names of all code: first the code that the values use, directly and in turn, then the rest."""
        found = dict(self._digests())
        rest = [full for full in self._parts if full not in self._names]
        for full in sorted(rest, key=lambda full: (_MANGLED.sub("", full), _MANGLED.sub("", self._parts[full]))):
            self.name(full)
            found |= dict(self._digests())
        return found

    def _digests(self) -> Iterator[tuple[str, str]]:
        while self._todo:
            full = self._todo.pop(0)
            if full in self._parts:
                order: dict[str, str] = {}
                text = _TEMPORARY.sub(
                    lambda found, order=order: order.setdefault(found[0], f"_t{len(order)}"),  # type: ignore[misc]
                    self.text(self._parts[full]),
                )
                yield self._names[full], hashlib.sha256(texts.to_bytes(text)).hexdigest()


class _Walk:
    """Describes values by path, each object once. It keeps its own stack, so that no depth is too much."""

    def __init__(self, archive: archives.Archive, classes: _Classes) -> None:
        self._archive = archive
        self._classes = classes
        self._seen: dict[int, str] = {}
        self._kept: list[Any] = []  # what `_seen` knows by its identity
        self._storages: dict[pickles.Storage, int] = {}
        self.values: dict[str, str] = {}

    def add(self, root: Any, path: str) -> None:
        todo = [(path, root)]
        while todo:
            place, value = todo.pop()
            inner = self._inner(place, value)
            if inner or isinstance(value, list | dict | pickles.Instance | pickles.Tensor | pickles.Call):
                if id(value) in self._seen:
                    self.values[place] = f"the same as {self._seen[id(value)] or 'the program'}"
                    continue
                self._seen[id(value)] = place
                self._kept.append(value)
            self.values[place] = self._described(value)
            todo += reversed(inner)

    def _inner(self, path: str, value: Any) -> list[tuple[str, Any]]:
        if isinstance(value, pickles.Instance):
            if not isinstance(value.state, dict):
                return [(f"{path}.state" if path else "state", value.state)]
            return [(f"{path}.{name}" if path else str(name), item) for name, item in value.state.items()]
        if isinstance(value, dict):
            return [(f"{path}[{_key(key)}]", item) for key, item in value.items()]
        if isinstance(value, list | tuple):
            return [(f"{path}[{i}]", item) for i, item in enumerate(value)]
        if isinstance(value, pickles.Call):
            return [(f"{path}({i})", item) for i, item in enumerate(value.arguments)]
        return []

    def _described(self, value: Any) -> str:
        if isinstance(value, pickles.Instance):
            names = (
                f" with {', '.join(map(_key, value.state))}" if isinstance(value.state, dict) and value.state else ""
            )
            return f"object of {self._classes.name(value.type)}{names}"
        if isinstance(value, dict):
            return f"dict of {', '.join(map(_key, value)) or 'nothing'}"
        if isinstance(value, list | tuple):
            return f"{type(value).__name__} of {len(value)}"
        if isinstance(value, pickles.Tensor):
            return self._tensor(value)
        if isinstance(value, pickles.Call):
            return f"call of {self._classes.text(value.function)}"
        if isinstance(value, pickles.LongText):
            return (
                f"text of {value.size:,} bytes, sha256 {_digest(self._archive, value.entry, value.start, value.size)}"
            )
        if isinstance(value, str):
            return f"text {texts.quoted(value)}" + (
                "" if len(value) < 20 else f", sha256 {hashlib.sha256(texts.to_bytes(value)).hexdigest()[:12]}"
            )
        if isinstance(value, float):
            bits = struct.pack(">d", value).hex()
            return f"float {value!r}" + (f" ({bits})" if value != value else "")
        return f"{type(value).__name__} {value}"

    def _tensor(self, tensor: pickles.Tensor) -> str:
        number = self._storages.setdefault(tensor.storage, len(self._storages))
        layout = ", ".join(_plain(part) for part in tensor.layout)
        return (
            f"tensor, {tensor.dtype} {list(tensor.shape)} on {tensor.storage.device}, offset, strides and flags "
            f"{layout}; in storage {number} of {tensor.storage.size:,} bytes of {tensor.storage.dtype}"
        )


def _key(key: Any) -> str:
    return texts.quoted(key) if isinstance(key, str) else f"{type(key).__name__} {key}"


def _plain(part: Any) -> str:
    if isinstance(part, tuple | list):
        return f"({', '.join(map(_plain, part))})"
    return part.name if isinstance(part, pickles.Name) else repr(part)


def _stream_digest(stream: IO[bytes], classes: _Classes) -> str:
    """The digest of a pickle's opcodes and their arguments; long texts pass through in blocks."""
    found = hashlib.sha256()
    while opcode := stream.read(1):
        found.update(opcode)
        if opcode in _TEXTS:
            _update_text(found, stream, opcode, classes)
            continue
        known = _OPCODES.get(opcode)
        if known is None:
            raise ReadingError(f"a pickle has {opcode!r} in place of an opcode")
        if known.arg is not None:
            argument = known.arg.reader(stream)
            text = classes.text(argument.replace(" ", ".")) if opcode == b"c" else repr(argument)
            found.update(texts.to_bytes(text) + b"\0")
        if opcode == b".":
            return found.hexdigest()
    return found.hexdigest()


def _update_text(found: Any, stream: IO[bytes], opcode: bytes, classes: _Classes) -> None:
    form = _TEXTS[opcode]
    (size,) = struct.unpack(form, stream.read(struct.calcsize(form)))
    if size <= pickles.LONGEST_KEPT:
        raw = texts.to_bytes(classes.text(texts.from_bytes(stream.read(size))))
        found.update(struct.pack("<Q", len(raw)) + raw)
        return
    found.update(struct.pack("<Q", size))
    while size > 0:
        block = stream.read(min(size, _BLOCK))
        if not block:
            raise ReadingError("a pickle ends within a text")
        found.update(block)
        size -= len(block)
