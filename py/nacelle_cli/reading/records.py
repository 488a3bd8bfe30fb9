"""Engine records: the fields that a program stores of an engine, checked as the runtime checks them.

docs/records.md has the format, core/record/record.h the table that this one follows; a test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.texts import quoted, shown

OLDEST, NEWEST = 3, 10
# The fields in the order in which they are stored, and the version that added each.
FIELDS = (
    ("abi_version", 3),
    ("name", 3),
    ("device", 3),
    ("engine", 3),
    ("input_names", 4),
    ("output_names", 4),
    ("hardware_compatible", 5),
    ("metadata", 6),
    ("target_platform", 6),
    ("requires_output_allocator", 7),
    ("resource_allocation", 8),
    ("requires_native_multi_device", 9),
    ("aliased_io", 10),
)
ENGINE = 3
FIRST_ENCODED = 4  # the first version whose plans are in base64
_INDEX = {name: index for index, (name, _) in enumerate(FIELDS)}
_PLATFORMS = ("linux_x86_64", "linux_aarch64", "windows_x86_64", "windows_arm64", "unknown")


@dataclass(frozen=True, slots=True)
class Record:
    """A record but for its plan; neutral values where its version lacks a field.

    Attributes:
        version: The ABI version.
        name: The engine's name.
        device: As it is written: ``0%9%0%0%NVIDIA H100 80GB HBM3``.
        input_names: In the order of a call; empty where the record has none.
        output_names: The same of outputs.
        flags: The other fields by name, as ``nacelle.EngineInfo.flags`` has them.
        metadata: What a compiler left, as text; never interpreted.
    """

    version: int
    name: str
    device: str
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    flags: dict[str, object]
    metadata: str

    @property
    def device_description(self) -> str:
        """The device for a person."""
        return describe_device(self.device)


def read_version(fields: Sequence[object]) -> int:
    """The version of a record, whose number of fields is right then.

    Raises:
        ReadingError: It is none that is known, or has another number of fields.
    """
    if not fields:
        raise ReadingError(f"record has no fields; wanted an ABI version ({OLDEST} to {NEWEST}) as its first")
    text = fields[0] if isinstance(fields[0], str) else ""
    if not re.fullmatch(r"0|-?[1-9][0-9]{0,8}", text):
        raise ReadingError(
            f"record field 0 (abi_version): {quoted(text, 24)} is not a version; wanted {OLDEST} to {NEWEST}"
        )
    version = int(text)
    if not OLDEST <= version <= NEWEST:
        advice = "update Nacelle, or save the program in an older version" if version > NEWEST else None
        raise ReadingError(
            f"record of ABI version {version}; versions {OLDEST} to {NEWEST} can be read: "
            f"{advice or 'compile the program again'}"
        )
    names = [name for name, since in FIELDS if since <= version]
    if len(fields) != len(names):
        raise ReadingError(
            f"record of ABI version {version} has {len(fields)} fields; wanted {len(names)}: {', '.join(names)}"
        )
    return version


def parse(fields: Sequence[str]) -> Record:
    """Reads the fields of a record; what stands for the plan (field 3) is not looked at.

    Raises:
        ReadingError: A field is not as it should be; the words are core/record's.
    """
    version = read_version(fields)
    reader = _Fields(version, fields)
    device = reader.device()
    inputs, outputs = reader.names("input_names"), reader.names("output_names")
    flags: dict[str, object] = {
        "hardware_compatible": reader.flag("hardware_compatible"),
        "target_platform": reader.platform(),
        "requires_output_allocator": reader.flag("requires_output_allocator"),
        "dynamic_resource_allocation": reader.allocation(),
        "requires_native_multi_device": reader.flag("requires_native_multi_device"),
        "aliased_io": reader.aliases(inputs, outputs),
    }
    return Record(
        version, shown(fields[1]), shown(device), _shown(inputs), _shown(outputs), flags, shown(reader.text("metadata"))
    )


def _shown(names: list[str]) -> tuple[str, ...]:
    return tuple(shown(name) for name in names)


def describe_device(device: str) -> str:
    """A device for a person: ``GPU 0 "NVIDIA A10" (compute capability 8.6)``, ``the CPU``."""
    if device == "0%0%0%0%cpu":
        return "the CPU"
    number, major, minor, kind, name = device.split("%")
    return f"{'DLA' if kind == '1' else 'GPU'} {number} {quoted(name)} (compute capability {major}.{minor})"


@dataclass(frozen=True)
class _Fields:
    version: int
    fields: Sequence[str]

    def bad(self, field: str, message: str) -> ReadingError:
        return ReadingError(f"record of ABI version {self.version}, field {_INDEX[field]} ({field}): {message}")

    def text(self, field: str, neutral: str = "") -> str:
        index = _INDEX[field]
        return self.fields[index] if index < len(self.fields) else neutral

    def device(self) -> str:
        text = self.text("device")
        form = "wanted id%major%minor%type%name, for instance 0%8%6%0%NVIDIA A10"
        parts = text.split("%")
        if len(parts) != 5:
            found = f"has {len(parts)} parts between '%' instead of 5"
            raise self.bad("device", f"device {quoted(text)} {found}; {form}")
        for part, what in zip(
            parts, ("id", "major compute capability", "minor compute capability", "type"), strict=False
        ):
            if not re.fullmatch(r"0|[1-9][0-9]{0,9}", part) or int(part) >= 1 << 31:
                found = f"has {quoted(part, 24)} as its {what}, which is not a plain decimal number"
                raise self.bad("device", f"device {quoted(text)} {found}; {form}")
        if int(parts[3]) > 1:
            found = f"is of type {parts[3]}, neither 0 (GPU) nor 1 (DLA)"
            raise self.bad("device", f"device {quoted(text)} {found}; {form}")
        return text

    def names(self, field: str) -> list[str]:
        text = self.text(field)
        names = text.split("%") if text else []
        seen: set[str] = set()
        for i, name in enumerate(names):
            if not name:
                raise self.bad(field, f"name {i} of {len(names)} is empty; wanted a binding's name")
            if name in seen:
                message = f"name {i} of {len(names)}, {quoted(name)}, is there twice; wanted each binding once"
                raise self.bad(field, message)
            seen.add(name)
        return names

    def flag(self, field: str) -> bool:
        text = self.text(field, "0")
        if text not in ("0", "1"):
            raise self.bad(field, f"flag is {quoted(text)}; wanted 0 or 1")
        return text == "1"

    def platform(self) -> str:
        text = self.text("target_platform", "unknown")
        if text not in _PLATFORMS:
            raise self.bad("target_platform", f"platform is {quoted(text)}; wanted one of {', '.join(_PLATFORMS)}")
        return text

    def allocation(self) -> bool:
        text = self.text("resource_allocation", "0")
        if text not in ("0", "1"):
            raise self.bad("resource_allocation", f"strategy is {quoted(text)}; wanted 0 (static) or 1 (dynamic)")
        return text == "1"

    def aliases(self, inputs: list[str], outputs: list[str]) -> list[tuple[str, ...]]:
        text = self.text("aliased_io")
        aliases = []
        for entry in text.split("%") if text else []:
            parts = entry.split("@")
            if len(parts) != 3:
                found = f"alias {quoted(entry)} has {len(parts)} parts between '@'"
                raise self.bad("aliased_io", f"{found}; wanted output@input@kind")
            aliases.append(tuple(parts))
        self._check_aliases(aliases, inputs, outputs)
        return [_shown(list(alias)) for alias in aliases]

    def _check_aliases(self, aliases: list[tuple[str, ...]], inputs: list[str], outputs: list[str]) -> None:
        seen: set[str] = set()
        for alias in aliases:
            if not all(alias):
                found = f"alias {quoted('@'.join(alias))} has an empty part"
                raise self.bad("aliased_io", f"{found}; wanted output@input@kind")
            if alias[0] in seen:
                found = f"output {quoted(alias[0])} is aliased twice"
                raise self.bad("aliased_io", f"{found}; wanted one input for each output")
            seen.add(alias[0])
        for alias in aliases:
            for what, name, known in (("output", alias[0], outputs), ("input", alias[1], inputs)):
                if known and name not in known:
                    found = f"alias names the {what} {quoted(name)}"
                    wanted = f"wanted one of the {what} names: {quoted(', '.join(known))}"
                    raise self.bad("aliased_io", f"{found}; {wanted}")
