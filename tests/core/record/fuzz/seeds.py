"""Writes the inputs that fuzzing starts from: good records of every version, and the headers of plans.

bazel run //tests/core/record/fuzz:seeds -- FOLDER
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from tests.data.records import make_golden

PLAIN = {"name": b"engine", "device": b"0%0%0%0%cpu", "input_names": b"", "output_names": b"", "aliased_io": b""}
HEADERS = {
    "trt_8.5": b"ptrt" + bytes(24) + b"\x08....\x05....\x03....\x01",
    "trt_10.3": b"ftrt" + bytes(20) + b"\x0a\x03\x00\x1a",
    "rtx_1.7": b"vtrt" + bytes(20) + b"\x01\x07\x01\x74",
    "reference": b"nref\x01\x00\x00\x00",
}


def encoded(fields: list[bytes]) -> bytes:
    """A record as record_fuzz.cc reads it."""
    return b"".join(field.replace(b"\\", b"\\\\") + b"\\\n" for field in fields)


def seeds() -> Iterator[tuple[str, bytes]]:
    """Yields names and contents."""
    yield from HEADERS.items()
    for version in range(make_golden.OLDEST_VERSION, make_golden.NEWEST_VERSION + 1):
        golden = make_golden.values(version)
        fields = [name for name, since in make_golden.FIELDS if since <= version]
        yield f"golden_{version}", encoded([golden[name] for name in fields])
        yield f"plain_{version}", encoded([PLAIN.get(name, golden[name]) for name in fields])


def write(folder: Path) -> int:
    """Writes the seeds into a folder, which it makes if it is missing; returns their number."""
    folder.mkdir(parents=True, exist_ok=True)
    made = dict(seeds())
    for name, content in made.items():
        (folder / name).write_bytes(content)
    return len(made)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    # `bazel run` starts programs elsewhere.
    write(Path(os.environ.get("BUILD_WORKING_DIRECTORY", "."), parser.parse_args().folder))
