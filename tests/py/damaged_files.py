"""Files that should hold a program and do not: damaged ones, empty ones, and those of other kinds."""

import struct
import zipfile
from pathlib import Path

import torch

import torch_nacelle as nacelle
from tests.py.networks import Detector, TwoHeads, seeded
from tests.py.zip_files import Entry, entries_of, written

NOT_PROGRAMS = {
    "empty.ts": "empty.ts is empty; wanted a program that torch.jit.save wrote, or a plan",
    "folder.ts": "folder.ts is a folder; wanted the file of a program that torch.jit.save wrote, or of a plan",
    "half.ts": "half.ts begins as a zip archive, and its table of contents cannot be read",
    "start.ts": "start.ts begins as a zip archive, and its table of contents cannot be read",
    "other.ts": "other.ts is some other zip archive and no TorchScript program",
    "module.ts": "module.ts is what torch.save wrote (tensors or other objects) and no TorchScript program",
    "weights.ts": "weights.ts is what torch.save wrote (tensors or other objects) and no TorchScript program",
    "twice.ts": 'twice.ts: member "good/data.pkl" is there twice; wanted each once',
    "heavy.ts": 'heavy.ts: with member "good/extra/large" of 134217728 bytes: bytes unpacked: ',
    "constants.ts": "constants.ts: entry constants.pkl cannot be read: Bad CRC-32",
}
"""The fault of each file, in the words of every reader."""

NO_ARCHIVES = {
    "text.ts": 'text.ts is no TorchScript program: it begins with 68 65 6c 6c 6f 20 77 6f ("hello wo"); wanted the zip',
    "plan.ts": "wanted the zip archive that torch.jit.save writes: make a program of the plan with nacelle embed",
    "nothing.ts": "nothing.ts is no TorchScript program: it begins with 50 4b 05 06 00 00 00 00",
}
"""The same of files that may be plans."""

SILENT = {
    "record.ts": "record.ts: entry data.pkl cannot be read: Bad CRC-32",
    "tensor.ts": "tensor.ts: entry data/0 cannot be read: Bad CRC-32",
}
"""Faults that torch does not notice, found when a file is compared with its checksums."""


def write(folder: Path) -> None:
    """Writes all of them, and ``good.ts``, the program with tensors and an engine that they are made of."""
    good = folder / "good.ts"
    program = nacelle.compile(seeded(Detector), {"backbone": [torch.rand(1, 3, 8, 8)]}, backend="reference")
    program.save(str(good))
    (engine,) = nacelle.read(program).engines
    content = good.read_bytes()
    (folder / "empty.ts").write_bytes(b"")
    (folder / "folder.ts").mkdir()
    (folder / "half.ts").write_bytes(content[: len(content) // 2])
    (folder / "start.ts").write_bytes(b"PK\x03\x04" + bytes(range(200)))
    with zipfile.ZipFile(folder / "other.ts", "w") as archive:
        archive.writestr("a/b.txt", "c")
    torch.save(seeded(TwoHeads), folder / "module.ts")
    torch.save(seeded(TwoHeads).state_dict(), folder / "weights.ts")
    with (folder / "exported.ts").open("wb") as file:
        torch.export.save(torch.export.export(seeded(TwoHeads), (torch.rand(1, 3, 8, 8),)), file)
    (folder / "text.ts").write_text("hello world")
    (folder / "plan.ts").write_bytes(engine.plan)
    with zipfile.ZipFile(folder / "nothing.ts", "w"):
        pass
    entries = entries_of(good)
    (pickle,) = (entry for entry in entries if entry.name.endswith(b"/data.pkl"))
    (folder / "twice.ts").write_bytes(written([*entries, pickle]))
    (folder / "heavy.ts").write_bytes(written([*entries, Entry(b"good/extra/large", bytes(1 << 27), method=8)]))
    for name, entry in (("constants.ts", "constants.pkl"), ("record.ts", "data.pkl"), ("tensor.ts", "data/0")):
        (folder / name).write_bytes(_changed(good, entry))


def _changed(path: Path, entry: str) -> bytes:
    """The archive with another byte in the middle of an entry."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        (info,) = (one for one in archive.infolist() if one.filename.partition("/")[2] == entry)
    name, extra = struct.unpack_from("<HH", content, info.header_offset + 26)
    content[info.header_offset + 30 + name + extra + info.file_size // 2] ^= 0x55
    return bytes(content)
