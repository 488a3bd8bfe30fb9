"""Packs a wheel, the same bytes for the same inputs: entries in order, one fixed time, fixed permissions.

    make_wheel.py SPECIFICATION WHEEL

SPECIFICATION is the JSON that //toolchains/wheel:defs.bzl writes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

# The earliest time that a zip archive can state.
EPOCH = (1980, 1, 1, 0, 0, 0)
LIBRARY_MODE = 0o100755
FILE_MODE = 0o100644


def metadata(specification: dict[str, Any]) -> str:
    """Returns the text of METADATA (core metadata 2.4)."""
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {specification['distribution'].replace('_', '-')}",
        f"Version: {specification['version']}",
        f"Summary: {specification['summary']}",
        "License-Expression: Apache-2.0",
        "License-File: LICENSE",
        f"Requires-Python: {specification['requires_python']}",
        *(f"Requires-Dist: {requirement}" for requirement in specification["requires"]),
        *extras(specification),
        "Description-Content-Type: text/markdown",
    ]
    return "\n".join(lines) + "\n\n" + Path(specification["readme"]).read_text(encoding="utf-8")


def extras(specification: dict[str, Any]) -> list[str]:
    """Returns the lines of METADATA about optional requirements."""
    lines = []
    for extra, requirements in sorted(specification["extras"].items()):
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {requirement}; extra == "{extra}"' for requirement in requirements]
    return lines


def wheel_text(specification: dict[str, Any]) -> str:
    """Returns the text of WHEEL."""
    lines = ["Wheel-Version: 1.0", "Generator: nacelle", "Root-Is-Purelib: false", f"Tag: {specification['tag']}"]
    return "\n".join(lines) + "\n"


def entry_points_text(specification: dict[str, Any]) -> str:
    """Returns the text of entry_points.txt: the commands that an installer makes."""
    lines = [f"{name} = {function}" for name, function in sorted(specification["entry_points"].items())]
    return "\n".join(["[console_scripts]", *lines]) + "\n"


def contents(specification: dict[str, Any]) -> dict[str, bytes]:
    """Returns every entry of the wheel but RECORD, by path."""
    entries: dict[str, bytes] = {}
    for path, source in specification["files"]:
        if path in entries:
            sys.exit(f"two files for {path} in the wheel; the second is {source}")
        entries[path] = Path(source).read_bytes()
    information = information_folder(specification)
    entries[f"{information}/METADATA"] = metadata(specification).encode()
    entries[f"{information}/WHEEL"] = wheel_text(specification).encode()
    if specification["entry_points"]:
        entries[f"{information}/entry_points.txt"] = entry_points_text(specification).encode()
    entries[f"{information}/licenses/LICENSE"] = Path(specification["license"]).read_bytes()
    return entries


def information_folder(specification: dict[str, Any]) -> str:
    """Returns the name of the wheel's .dist-info folder."""
    return f"{specification['distribution']}-{specification['version']}.dist-info"


def record(entries: dict[str, bytes], path: str) -> bytes:
    """Returns RECORD: every entry with its sha256 and length, and itself with neither."""
    lines = []
    for name in sorted(entries):
        digest = base64.urlsafe_b64encode(hashlib.sha256(entries[name]).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(entries[name])}")
    return ("\n".join([*lines, f"{path},,"]) + "\n").encode()


def add(archive: zipfile.ZipFile, path: str, data: bytes) -> None:
    """Adds one entry."""
    entry = zipfile.ZipInfo(path, EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # Unix, so that the permissions count
    entry.external_attr = (LIBRARY_MODE if path.endswith(".so") else FILE_MODE) << 16
    archive.writestr(entry, data)


def write_wheel(specification: dict[str, Any], path: Path) -> None:
    """Writes the wheel; its metadata come last, as the format advises."""
    entries = contents(specification)
    information = information_folder(specification)
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(entries, key=lambda entry: (entry.startswith(information), entry)):
            add(archive, name, entries[name])
        add(archive, f"{information}/RECORD", record(entries, f"{information}/RECORD"))


def main(arguments: list[str]) -> None:
    """Runs the program."""
    specification, wheel = arguments
    write_wheel(json.loads(Path(specification).read_text(encoding="utf-8")), Path(wheel))


if __name__ == "__main__":
    main(sys.argv[1:])
