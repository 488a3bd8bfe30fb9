"""Archives that two readers could read differently: refused by every way in, or read as torch reads them."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle
from nacelle_cli.reading import programs
from nacelle_cli.reading.errors import ReadingError
from tests.py.zip_files import Entry, deflated, entries_of, written


class Tagged(torch.nn.Module):
    """Each reader tells the tag of the program that it found."""

    def __init__(self, tag: str) -> None:
        super().__init__()
        self.tag = tag
        self.weight = torch.nn.Parameter(torch.ones(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight


def entries(folder: Path, tag: str) -> dict[str, Entry]:
    """The members of a program, by their names without the folder."""
    path = folder / f"{tag}.ts"
    torch.jit.script(Tagged(tag)).save(str(path), _extra_files={"notes.txt": tag})
    return {entry.name.decode().partition("/")[2]: renamed(entry) for entry in entries_of(path)}


def renamed(entry: Entry) -> Entry:
    return entry.but(name=b"program/" + entry.name.partition(b"/")[2])


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Entry], dict[str, Entry]]:
    folder: Path = tmp_path_factory.mktemp("parts")
    return entries(folder, "shown"), entries(folder, "other")


Parts = dict[str, Entry]
SMALL = Entry(b"program/small", b"x")


def swapped(a: Parts, pickle: Entry | None = None, source: Entry | None = None) -> list[Entry]:
    """The members, with another pickle or another source."""
    changed = {"data.pkl": pickle, source_name(a): source}
    return [changed.get(name) or entry for name, entry in a.items()]


def source_name(a: Parts) -> str:
    (name,) = (name for name in a if name.startswith("code/") and name.endswith(".py"))
    return name


def source_as(a: Parts, change: Callable[[bytes], bytes]) -> list[Entry]:
    """The members, with the source under another name."""
    entry = a[source_name(a)]
    return swapped(a, source=named(entry, b"program/" + change(entry.name.removeprefix(b"program/"))))


def named(entry: Entry, name: bytes) -> Entry:
    return entry.but(name=name)


def zip64_in_table(entry: Entry, **wrong: int) -> Entry:
    """A member whose sizes are in its extra field."""
    packed = len(deflated(entry.content)) if entry.method == 8 else len(entry.content)
    numbers = struct.pack("<2H2Q", 1, 16, wrong.get("size", len(entry.content)), packed)
    wide = {"packed": 0xFFFFFFFF, "size": 0xFFFFFFFF, "extra": numbers}
    return entry.but(table=wide, header=wide)


def second_end(a: Parts, b: Parts) -> bytes:
    """A whole archive in the comment of another."""
    inner = written(b.values())
    return written(a.values(), comment=inner)


def appended(a: Parts, b: Parts) -> bytes:
    return written(a.values()) + written(b.values())


def appended_with_offsets(a: Parts, b: Parts) -> bytes:
    first = written(a.values())
    return written(b.values(), before=first)


def two_tables(a: Parts, b: Parts) -> bytes:
    """The zip64 record names another table of contents than the end record."""
    both = [*a.values(), *(entry.but(name=entry.name) for entry in b.values())]
    count = len(a)
    rows_of_a = written(both, listed=range(count), zip64={})
    whole = written(both, listed=range(count, len(both)))
    return rows_of_a[:-22] + whole[-22:]


CRAFTED: dict[str, Callable[[Parts, Parts], bytes]] = {
    "a second folder": lambda a, b: written([*a.values(), *(named(e, b"second" + e.name[7:]) for e in b.values())]),
    "a second folder, listed first": lambda a, b: written(
        [*(named(e, b"second" + e.name[7:]) for e in b.values()), *a.values()]
    ),
    "a folder of another case": lambda a, b: written([*a.values(), *(named(e, b"P" + e.name[1:]) for e in b.values())]),
    "no folder": lambda a, b: written([*a.values(), Entry(b"data.pkl", b["data.pkl"].content)]),
    "an absolute name": lambda a, b: written([*a.values(), named(b["data.pkl"], b"/program/data.pkl")]),
    "the pickle twice": lambda a, b: written([*a.values(), b["data.pkl"]]),
    "the pickle twice, the other first": lambda a, b: written([b["data.pkl"], *a.values()]),
    "the source twice": lambda a, b: written([*a.values(), b[source_name(b)]]),
    "an extra file twice": lambda a, b: written([*a.values(), b["extra/notes.txt"]]),
    "an extra file of another case": lambda a, b: written(
        [*a.values(), named(b["extra/notes.txt"], b"program/extra/NOTES.txt")]
    ),
    "DATA.PKL beside": lambda a, b: written([*a.values(), named(b["data.pkl"], b"program/DATA.PKL")]),
    "DATA.PKL first": lambda a, b: written([named(b["data.pkl"], b"program/DATA.PKL"), *a.values()]),
    "DATA.PKL alone": lambda a, b: written(swapped(a, pickle=named(a["data.pkl"], b"program/DATA.PKL"))),
    "CODE": lambda a, b: written(source_as(a, lambda name: b"CODE" + name[4:])),
    "a source of another case": lambda a, b: written(source_as(a, lambda name: name[:5] + name[5:-2].upper() + b"py")),
    "a source .PY": lambda a, b: written(source_as(a, lambda name: name.replace(b".py", b".PY"))),
    "a source with a point": lambda a, b: written([*a.values(), Entry(b"program/code/__torch__.a.py", b"")]),
    "a folder named .": lambda a, b: written([*a.values(), named(b["data.pkl"], b"program/./data.pkl")]),
    "a folder named ..": lambda a, b: written([*a.values(), named(b["data.pkl"], b"program/../program/data.pkl")]),
    "a nameless folder": lambda a, b: written([*a.values(), named(b["data.pkl"], b"program//data.pkl")]),
    "a backslash": lambda a, b: written([*a.values(), named(b["data.pkl"], b"program/code\\data.pkl")]),
    "a backslash for the folder": lambda a, b: written([*a.values(), named(b["data.pkl"], b"program\\data.pkl")]),
    "a zero byte": lambda a, b: written([*a.values(), named(b["data.pkl"], b"program/data.pkl\0.txt")]),
    "a zero byte in the folder": lambda a, b: written([named(e, b"pro\0" + e.name) for e in a.values()]),
    "a name that is not UTF-8": lambda a, b: written([*a.values(), Entry(b"program/extra/\xff\xfe", b"x")]),
    "a second name in the extra field": lambda a, b: written(
        [*a.values(), SMALL.but(table={"extra": struct.pack("<2HBL", 0x7075, 21, 1, zlib.crc32(b"program/small"))
                                       + b"program/data.pkl"})]
    ),
    "another name in the header": lambda a, b: written(
        swapped(a, pickle=a["data.pkl"].but(header={"name": b"program/atad.pkl"}))
    ),
    "another size in the header": lambda a, b: written(
        swapped(a, pickle=a["data.pkl"].but(header={"size": 3, "packed": 3}))
    ),
    "another method in the header": lambda a, b: written(swapped(a, pickle=a["data.pkl"].but(header={"method": 8}))),
    "other flags in the header": lambda a, b: written(swapped(a, pickle=a["data.pkl"].but(header={"flags": 2}))),
    "another checksum in the header": lambda a, b: written(swapped(a, pickle=a["data.pkl"].but(header={"crc": 1}))),
    "other sizes after the bytes": lambda a, b: written(
        swapped(a, pickle=a["data.pkl"].but(flags=8, after=struct.pack("<4s3L", b"PK\7\x08", 0, 1, 2)))
    ),
    "sizes after the bytes that are missing": lambda a, b: written(
        swapped(a, pickle=a["data.pkl"].but(flags=8, after=bytes(9)))
    ),
    "encrypted": lambda a, b: written(swapped(a, pickle=a["data.pkl"].but(flags=1))),
    "strongly encrypted": lambda a, b: written(swapped(a, pickle=a["data.pkl"].but(flags=1 << 6))),
    "a masked header": lambda a, b: written(swapped(a, pickle=a["data.pkl"].but(flags=1 << 13))),
    "packed by LZMA": lambda a, b: written(swapped(a, pickle=a["data.pkl"].but(method=14))),
    "packed by BZIP2": lambda a, b: written(swapped(a, pickle=a["data.pkl"].but(method=12))),
    "stored in fewer bytes": lambda a, b: written(swapped(a, pickle=a["data.pkl"].but(table={"size": 5}))),
    "members that overlap": lambda a, b: written([*a.values(), SMALL.but(table={"offset": 0})]),
    "bytes between members": lambda a, b: written([SMALL.but(after=b"hidden"), *a.values()]),
    "a member that is not listed": lambda a, b: written(
        [b["data.pkl"], *a.values()], listed=range(1, len(a) + 1)
    ),
    "bytes before": lambda a, b: written(a.values(), before=b"PK\3\4" + bytes(60)),
    "an archive before": appended,
    "an archive before, offsets right": appended_with_offsets,
    "bytes after": lambda a, b: written(a.values(), after=b"tail"),
    "an archive in the comment": second_end,
    "a comment": lambda a, b: written(a.values(), comment=b"made by hand"),
    "a comment that is not there": lambda a, b: written(a.values(), end={"comment": 7}),
    "a comment of a member": lambda a, b: written([*a.values(), SMALL.but(table={"comment": b"hello"})]),
    "zip64 with another count": lambda a, b: written(a.values(), zip64={"count": 3}),
    "zip64 with another table": two_tables,
    "zip64 elsewhere": lambda a, b: written(a.values(), zip64={"at": 8}),
    "zip64 said and missing": lambda a, b: written(a.values(), end={"offset": 0xFFFFFFFF}),
    "zip64 numbers of a member that differ": lambda a, b: written(
        swapped(a, pickle=zip64_in_table(a["data.pkl"], size=5))
    ),
    "more members listed": lambda a, b: written(a.values(), end={"count": len(a) + 1}),
    "fewer members listed": lambda a, b: written(a.values(), end={"count": len(a) - 1}),
    "a part of several files": lambda a, b: written(a.values(), end={"disk": 1}),
    "a member in another file": lambda a, b: written([*a.values(), SMALL.but(table={"disk": 1})]),
    "a folder with bytes": lambda a, b: written([*a.values(), Entry(b"program/data.pkl/", b["data.pkl"].content)]),
    "an older program beside": lambda a, b: written([*a.values(), Entry(b"program/model.json", b"{}")]),
    "a deflated pickle with a tail": lambda a, b: written(
        swapped(a, pickle=a["data.pkl"].but(method=8, packed=deflated(a["data.pkl"].content) + b"more"))
    ),
}  # fmt: skip

READ: dict[str, Callable[[Parts, Parts], bytes]] = {
    "as it is": lambda a, b: written(a.values()),
    "sizes after the bytes": lambda a, b: written(entry.but(descriptor=True) for entry in a.values()),
    "all deflated": lambda a, b: written(entry.but(method=8) for entry in a.values()),
    "zip64 records": lambda a, b: written(a.values(), zip64={}),
    "zip64 numbers": lambda a, b: written(map(zip64_in_table, a.values()), zip64={}),
    "members of folders": lambda a, b: written(
        [Entry(b"program/", b""), Entry(b"program/code/", b""), *a.values()]
    ),
    "listed in another order": lambda a, b: written(a.values(), listed=range(len(a) - 1, -1, -1)),
    "extra files with odd names": lambda a, b: written(
        [*a.values(), *(Entry(b"program/extra/" + name, b"x") for name in (b"../up", b"a\\b", b"\xc3\xa9", b"n/../m"))]
    ),
}  # fmt: skip

WAYS: dict[str, Callable[[Any], object]] = {
    "read": nacelle.read,
    "convert": lambda source: nacelle.convert(source, "out.ts", abi_version=5),
    "strip": lambda source: nacelle.strip(source, "out.ts"),
    "extract": lambda source: nacelle.extract(source, "net", "out.plan"),
    "bench": lambda source: nacelle.bench(source, [torch.ones(3)], seconds=0.01),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_what_could_be_read_in_two_ways_is_refused(name: str, parts: tuple[Parts, Parts], tmp_path: Path) -> None:
    path = tmp_path / "crafted.ts"
    path.write_bytes(CRAFTED[name](*parts))
    with pytest.raises(ReadingError, match=r"crafted\.ts") as told:
        programs.read(path)
    assert "data.pkl" not in name or "data.pkl" in str(told.value)


@pytest.mark.parametrize(("name", "way"), itertools.product(CRAFTED, ["read", "bench"]))
def test_it_is_refused_before_torch_sees_it(
    name: str, way: str, parts: tuple[Parts, Parts], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object, **__: object) -> None:
        raise AssertionError("torch was asked to load it")

    monkeypatch.setattr(torch.jit, "load", load)
    monkeypatch.chdir(tmp_path)
    content = CRAFTED[name](*parts)
    Path("crafted.ts").write_bytes(content)
    for source in ("crafted.ts", io.BytesIO(content)):
        with pytest.raises(nacelle.InputError):
            WAYS[way](source)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_refuses(
    way: str, parts: tuple[Parts, Parts], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("crafted.ts").write_bytes(CRAFTED["the pickle twice"](*parts))
    with pytest.raises(nacelle.InputError, match=r'crafted\.ts: member "program/data\.pkl" is there twice'):
        WAYS[way]("crafted.ts")
    assert not Path("out.ts").exists()


@pytest.mark.parametrize("name", READ)
def test_what_is_read_is_what_torch_reads(name: str, parts: tuple[Parts, Parts], tmp_path: Path) -> None:
    path = tmp_path / "crafted.ts"
    path.write_bytes(READ[name](*parts))
    found = programs.read(path)
    files: dict[str, Any] = dict.fromkeys(found.extra_files, "")
    loaded = torch.jit.load(str(path), _extra_files=files)
    assert found.values["tag"] == loaded.tag == "shown"
    assert files["notes.txt"] == b"shown"
    assert {name: len(content) for name, content in files.items()} == found.extra_files
    nacelle.read(path)
