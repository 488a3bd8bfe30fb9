"""Programs with single fields of their records changed."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch

import torch_nacelle  # noqa: F401 (registers the classes)
from tests.py.record_files import replace_list

# Fields by name: their places in a record, which docs/reference/records.md lists.
FIELDS = {
    "abi_version": 0,
    "name": 1,
    "device": 2,
    "engine": 3,
    "input_names": 4,
    "output_names": 5,
    "hardware_compatible": 6,
    "metadata": 7,
    "target_platform": 8,
    "requires_output_allocator": 9,
    "resource_allocation": 10,
    "requires_native_multi_device": 11,
    "aliased_io": 12,
}


def record_of(path: Path, engine: str) -> list[str]:
    """Returns the record of a program's engine, which is an attribute of the program."""
    fields, _class_name = getattr(torch.jit.load(str(path)), engine).__getstate__()
    return list(fields)


def with_fields(path: Path, engine: str, changes: Mapping[str, str | None]) -> Path:
    """Writes a program beside a program of one engine, with other fields in its record.

    Args:
        path: The program.
        engine: The attribute that holds its engine.
        changes: New values by the field's name; None leaves the field out.

    Returns:
        The new program's path.
    """
    fields: list[str | None] = list(record_of(path, engine))
    for name, value in changes.items():
        fields[FIELDS[name]] = value
    kept = [field.encode() for field in fields if field is not None]
    changed = path.with_name("changed_" + path.name)
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(changed, "w") as out:
        for item in archive.infolist():
            content = archive.read(item)
            out.writestr(item.filename, replace_list(content, kept) if item.filename.endswith("/data.pkl") else content)
    return changed
