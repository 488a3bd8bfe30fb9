"""Plans of the reference engine taken apart, and put together with other parts. Sizes and checksums are made right."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Iterable, Mapping

_PAYLOAD = 24
_MASK = (1 << 64) - 1


def checksum(data: bytes) -> int:
    """The plan's checksum of `data`: FNV-1a over words of eight bytes, then over single ones."""
    value = 0xCBF29CE484222325
    whole = len(data) // 8
    for word in (*struct.unpack_from(f"<{whole}Q", data), *data[whole * 8 :]):
        value = ((value ^ word) * 0x100000001B3) & _MASK
    return value


def sealed(plan: bytes) -> bytes:
    """The plan with the size and the checksum that its bytes have."""
    payload = plan[_PAYLOAD:]
    return plan[:8] + struct.pack("<QQ", len(plan), checksum(payload)) + payload


def split(plan: bytes) -> tuple[bytes, bytes]:
    """The bytes before the size of the module's archive, and the archive."""
    start = plan.index(b"PK\x03\x04")
    return plan[: start - 8], plan[start:]


def joined(head: bytes, archive: bytes) -> bytes:
    """A plan of both."""
    return sealed(head + struct.pack("<Q", len(archive)) + archive)


def members(plan: bytes) -> dict[str, bytes]:
    """The members of the module's archive by their names in it: "code/__torch__.py"."""
    with zipfile.ZipFile(io.BytesIO(split(plan)[1])) as archive:
        return {name.removeprefix("archive/"): archive.read(name) for name in archive.namelist()}


def packed(contents: Iterable[tuple[str, bytes]], compress: Iterable[str] = (), folder: str = "archive/") -> bytes:
    """An archive with these members; some may have one name."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that are there twice
        for name, data in contents:
            kind = zipfile.ZIP_DEFLATED if name in compress else zipfile.ZIP_STORED
            archive.writestr(zipfile.ZipInfo(folder + name), data, compress_type=kind)
    return stream.getvalue()


def changed(plan: bytes, changes: Mapping[str, bytes | None]) -> bytes:
    """The plan with other members, or, for None, without them."""
    contents = {**members(plan), **changes}
    return joined(split(plan)[0], packed((name, data) for name, data in contents.items() if data is not None))


def with_source(plan: bytes, source: str) -> bytes:
    """The plan with another source of its module's class."""
    return changed(plan, {"code/__torch__.py": source.encode()})
