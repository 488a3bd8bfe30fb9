"""Files that ultralytics' exporter writes for TensorRT: a length of four bytes, JSON of that length, and the plan."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from nacelle_cli.reading import limits, zips
from nacelle_cli.reading.containers import json_texts
from nacelle_cli.reading.containers.container import Container, bare_engine, short

_LENGTH = struct.Struct("<I")
_MOST_JSON = 1 << 20
_MOST_DETAILS = 20


def json_size(content: zips.Bytes) -> int:
    """Bytes of the JSON; 0 if it is no such file."""
    head = content.at(0, _LENGTH.size + 1)
    if len(head) <= _LENGTH.size:
        return 0
    (size,) = _LENGTH.unpack_from(head)
    ends = content.at(_LENGTH.size + size - 1, 1) if 2 <= size <= _MOST_JSON else b""
    return int(size) if head[_LENGTH.size :] == b"{" and ends == b"}" else 0


def read(path: Path, content: zips.Bytes, allowed: limits.Limits) -> Container:
    """Reads such a file.

    Raises:
        ReadingError: Its JSON cannot be read.
    """
    size = json_size(content)
    raw = content.at(_LENGTH.size, size)
    start = _LENGTH.size + size
    found = Container(path, content.size, "ultralytics engine", extra_files={"metadata.json": raw})
    told = json_texts.entries(json_texts.parsed(raw, f"{path}: the JSON before the plan", allowed))
    found.details = {short(name, 60): _shown(value) for name, value in told[:_MOST_DETAILS]}
    found.add(
        bare_engine("engine", content.size - start, lambda offset, size: content.at(start + offset, size)), allowed
    )
    return found


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return f"{len(value)} entries"
    return short(value) if isinstance(value, str) else short(repr(value))
