"""Copies of archives: entries that stay keep their bytes as they lie, torch and Python read the copy."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
import torch

from nacelle_cli.reading import archive_copies, pieces
from nacelle_cli.reading.archives import Archive
from nacelle_cli.reading.pieces import Piece

Changes = dict[str, list[Piece] | None]


def packed(path: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """By name how an entry is packed, its checksum, its size and its bytes as they lie in the file."""
    content = path.read_bytes()
    found = {}
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for info in archive.infolist():
            start = start_of(content, info)
            data = content[start : start + info.compress_size]
            found[info.filename.partition("/")[2]] = (info.compress_type, info.CRC, info.file_size, data)
    return found


def start_of(content: bytes, info: zipfile.ZipInfo) -> int:
    name, extra = struct.unpack_from("<HH", content, info.header_offset + 26)
    return int(info.header_offset + 30 + name + extra)


def copy(source: Path, path: Path, changes: Changes) -> Path:
    with Archive(source) as archive, path.open("wb") as file:
        archive_copies.write(archive, changes, file)
    return path


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """An archive as torch writes it: stored pickles and tensors, deflated code."""
    model = torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.ReLU())
    path = tmp_path / "saved.ts"
    files = {"notes.txt": "a" * 1000, "folder/é": b"\xff\0"}
    torch.jit.save(torch.jit.script(model), str(path), _extra_files=files)
    return path


def test_without_changes_it_is_the_same_archive(saved: Path, tmp_path: Path) -> None:
    result = copy(saved, tmp_path / "copy.ts", {})
    assert packed(result) == packed(saved)
    assert list(packed(result)) == list(packed(saved))
    assert {method for method, *_ in packed(result).values()} == {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
    assert copy(result, tmp_path / "again.ts", {}).read_bytes() == result.read_bytes()


def test_changed_added_and_removed(saved: Path, tmp_path: Path) -> None:
    new = [pieces.of_bytes(b"one "), pieces.of_bytes(b""), pieces.of_bytes(b"two")]
    changes: Changes = {"extra/notes.txt": new, "extra/more": [pieces.of_bytes(b"more")], "extra/folder/é": None}
    result = copy(saved, tmp_path / "copy.ts", changes)
    before, after = packed(saved), packed(result)
    assert after.pop("extra/notes.txt")[3] == b"one two"
    assert after.pop("extra/more")[3] == b"more"
    del before["extra/notes.txt"], before["extra/folder/é"]
    assert after == before
    extra: dict[str, object] = {"notes.txt": "", "more": ""}
    program = torch.jit.load(str(result), _extra_files=extra)
    assert extra == {"notes.txt": b"one two", "more": b"more"}
    x = torch.rand(2, 5)
    torch.testing.assert_close(program(x), torch.jit.load(str(saved))(x))


def test_bytes_of_entries_begin_at_multiples_of_64(saved: Path, tmp_path: Path) -> None:
    result = copy(saved, tmp_path / "copy.ts", {"constants.pkl": [pieces.of_bytes(b"\x80\x02).")]})
    content = result.read_bytes()
    with zipfile.ZipFile(result) as archive:
        assert all(start_of(content, info) % 64 == 0 for info in archive.infolist())


def test_a_changed_entry_that_was_deflated_is_stored(saved: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(saved) as archive, zipfile.ZipFile(tmp_path / "all.ts", "w", zipfile.ZIP_DEFLATED) as out:
        for info in archive.infolist():
            out.writestr(info.filename, archive.read(info))
        data = archive.read("saved/data.pkl")
    result = packed(copy(tmp_path / "all.ts", tmp_path / "copy.ts", {"data.pkl": [pieces.of_bytes(data)]}))
    assert result.pop("data.pkl")[::3] == (zipfile.ZIP_STORED, data)
    before = packed(tmp_path / "all.ts")
    del before["data.pkl"]
    assert result == before
    torch.jit.load(str(tmp_path / "copy.ts"))


def test_it_is_written_from_start_to_end(saved: Path, tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        content = b""

        def writable(self) -> bool:
            return True

        def write(self, content: bytes) -> int:  # type: ignore[override]
            self.content += bytes(content)
            return len(content)

    pipe = Pipe()
    changes: Changes = {"extra/notes.txt": [pieces.of_bytes(b"new")]}
    with Archive(saved) as archive:
        archive_copies.write(archive, changes, pipe)  # type: ignore[arg-type]
    assert pipe.content == copy(saved, tmp_path / "copy.ts", changes).read_bytes()


def test_content_of_another_size_than_announced_is_no_archive(saved: Path, tmp_path: Path) -> None:
    wrong = Piece(3, lambda: iter((b"four",)))
    with pytest.raises(RuntimeError, match="4 bytes and was announced with 3"):
        copy(saved, tmp_path / "copy.ts", {"data.pkl": [wrong]})


class Discarded(io.RawIOBase):
    """Keeps what is not zeros: headers and tables of an archive of gigabytes."""

    def __init__(self) -> None:
        super().__init__()
        self.position = 0
        self.kept: list[tuple[int, bytes]] = []

    def write(self, content: bytes) -> int:  # type: ignore[override]
        if len(content) < 1 << 20:
            self.kept.append((self.position, bytes(content)))
        self.position += len(content)
        return len(content)


def test_archives_of_more_than_4_gib(saved: Path) -> None:
    """The sizes and places that four bytes do not hold are where zip64 has them."""
    block = bytes(1 << 24)
    size = 300 * len(block)
    assert size > 2**32
    out = Discarded()
    long = Piece(size, lambda: (block for _ in range(300)))
    with Archive(saved) as archive:
        archive_copies.write(archive, {"data.pkl": [long]}, out)  # type: ignore[arg-type]
    sparse = Sparse(out.kept, out.position)
    with zipfile.ZipFile(sparse) as archive:
        (info,) = (info for info in archive.infolist() if info.filename.endswith("data.pkl"))
        assert (info.file_size, info.compress_size) == (size, size)
        late = [info for info in archive.infolist() if info.header_offset > 2**32]
        assert late
        names = {info.filename for info in late}
        with zipfile.ZipFile(saved) as before:
            for name in names:
                assert archive.read(name) == before.read(name)


class Sparse(io.RawIOBase):
    """A file of which some parts are known; the rest is zeros."""

    def __init__(self, parts: list[tuple[int, bytes]], size: int) -> None:
        super().__init__()
        self.parts = parts
        self.size = size
        self.position = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = 0) -> int:
        self.position = (0, self.position, self.size)[whence] + offset
        return self.position

    def read(self, size: int = -1) -> bytes:
        end = self.size if size < 0 else min(self.size, self.position + size)
        result = bytearray(max(end - self.position, 0))
        for start, part in self.parts:
            first, last = max(start, self.position), min(start + len(part), end)
            if first < last:
                result[first - self.position : last - self.position] = part[first - start : last - start]
        self.position = end
        return bytes(result)
