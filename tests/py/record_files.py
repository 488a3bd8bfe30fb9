"""Programs with other records than those that they were saved with."""

import struct
import zipfile
from pathlib import Path


def with_record(program: Path, fields: list[bytes], folder: Path) -> Path:
    """A copy of a program with one engine, whose record has these fields."""
    path = folder / "damaged.ts"
    with zipfile.ZipFile(program) as archive, zipfile.ZipFile(path, "w") as out:
        for item in archive.infolist():
            content = archive.read(item)
            if item.filename.endswith("/data.pkl"):
                content = replace_list(content, fields)
            out.writestr(item.filename, content)
    return path


def replace_list(pickle: bytes, fields: list[bytes]) -> bytes:
    """A pickle with other strings in its only list, which torch tagged with its type.

    A string is BINUNICODE ("X"), its length and its bytes; the list's items stand between MARK ("(") and APPENDS ("e").
    """
    start = pickle.index(b"(", pickle.index(b"restore_type_tag\n"))
    end = pickle.index(b"eX\x09\x00\x00\x00List[str]")
    strings = b"".join(b"X" + struct.pack("<I", len(field)) + field for field in fields)
    return pickle[:start] + b"(" + strings + pickle[end:]
