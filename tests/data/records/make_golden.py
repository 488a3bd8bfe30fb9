"""Writes the golden records: one file for each ABI version of engine records, 3 to 10.

Deliberately apart from the code that it tests: the layout of each version is spelled out here once more, and base64 is
Python's own. Run it only to add a version; the files of a version that programs were saved with never change.

    python3 make_golden.py FOLDER
"""

from __future__ import annotations

import argparse
import base64
import pathlib

OLDEST_VERSION = 3
NEWEST_VERSION = 10

# The name of each field and the version that added it, in the order in which they are stored.
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


def plan(version: int) -> bytes:
    """Returns the bytes that stand for a plan: a header as TensorRT 10.3.0.26 writes it, then every byte value.

    Args:
        version: the record's ABI version; it decides the length too, so that each kind of base64 padding occurs.
    """
    header = b"ftrt" + bytes(20) + bytes((10, 3, 0, 26))
    return header + bytes(range(256)) + bytes([0xA0 + version]) * (version % 3)


def values(version: int) -> dict[str, bytes]:
    """Returns every field's text, none of them neutral, for a record of `version`."""
    raw = plan(version)
    return {
        "abi_version": str(version).encode(),
        "name": f'detector.v{version} "größe"\n'.encode(),
        "device": b"1%8%7%1%Orin" if version == 7 else b"2%8%9%0%NVIDIA L40S",
        "engine": raw if version == OLDEST_VERSION else base64.b64encode(raw),
        "input_names": b"tokens%cache.1",
        "output_names": b"logits%cache_out%scores",
        "hardware_compatible": b"1",
        "metadata": b"gASVnQYAAAAAAAB9lCiMCHNldHRpbmdzlIw=\xff\x00%@",
        "target_platform": b"windows_arm64" if version == 8 else b"linux_aarch64",
        "requires_output_allocator": b"1",
        "resource_allocation": b"1",
        "requires_native_multi_device": b"1",
        "aliased_io": b"cache_out@cache.1@kv_cache_update%scores@tokens@in_place",
    }


def record(version: int) -> list[tuple[str, bytes]]:
    """Returns the golden record of `version`: the names and the texts of its fields."""
    texts = values(version)
    return [(name, texts[name]) for name, since in FIELDS if since <= version]


def quoted(text: bytes) -> str:
    """Returns `text` in double quotes: printable ASCII as it is, every other byte, '"' and backslash as \\xNN."""
    plain = (chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\x{byte:02x}" for byte in text)
    return '"' + "".join(plain) + '"'


def file_text(version: int) -> str:
    """Returns the content of the golden file of `version`."""
    return "".join(f"{name} {quoted(text)}\n" for name, text in record(version))


def main() -> None:
    """Writes the files into the folder that the command line names."""
    parser = argparse.ArgumentParser(description="Writes the golden records of every ABI version.")
    parser.add_argument("folder", type=pathlib.Path)
    folder: pathlib.Path = parser.parse_args().folder
    for version in range(OLDEST_VERSION, NEWEST_VERSION + 1):
        (folder / f"v{version}.record").write_text(file_text(version), encoding="ascii")


if __name__ == "__main__":
    main()
