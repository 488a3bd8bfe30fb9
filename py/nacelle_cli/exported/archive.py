"""The archive of an exported program, and another archive for torch, which holds only what was checked.

torch's zip reader and Python's find different members if a name is there twice, in another case, or in another folder.
So torch gets an archive that is made here: its JSON is written anew, and its tensors are read from their places in the
file.

    file        m/models/model.json   m/data/weights/weight_0   m/data/sample_inputs/model.pt   m/extra/notes.txt
                      | checked, written anew      | its place in the file       | left out            | left out
    for torch   model/models/model.json   model/data/weights/weight_0
"""

from __future__ import annotations

import io
import itertools
import json
import math
import os
import re
import struct
import sys
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from nacelle_cli.exported.document import Document
from nacelle_cli.reading import archives
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.texts import quoted

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

MAX_MEMBERS = 100_000
MAX_JSON = 256 << 20

_LOCAL_HEADER = struct.Struct("<4s2xH18xHH")  # magic, flags, lengths of name and extra field
_BLOCK = 1 << 20
_ENCRYPTED = 1

_MODEL = "models/model.json"
_WEIGHTS = "data/weights/model_weights_config.json"
_CONSTANTS = "data/constants/model_constants_config.json"
_TENSORS = re.compile(r"data/(?:weights/weight|constants/tensor)_\d{1,9}")
_MARKS = {"archive_format": b"pt2", "archive_version": b"0", "byteorder": sys.byteorder.encode()}
# Members that torch's reader does not need: marks of the writer, sample inputs (a pickle), files of the user.
_LEFT_OUT = re.compile(r"\.data/(?:version|serialization_id)|\.format_version|\.storage_alignment|version|extra/.*"
                       r"|data/sample_inputs/model\.pt")  # fmt: skip
# The exceptions of Python's zipfile for a damaged archive.
_DAMAGE = (zipfile.BadZipFile, EOFError, zlib.error, struct.error, NotImplementedError, RuntimeError, ValueError)
_REFUSED = (
    (re.compile(r"data/constants/opaque_obj_.*"), "is a pickled object, which is not unpickled here"),
    (re.compile(r"data/constants/custom_obj_.*"), "is a pickled object of a C++ class, which is not made here"),
    (re.compile(r"data/(?:aotinductor|executorch|mtia)/.*"), "is compiled code, which is not loaded here"),
    (
        re.compile(r"data/(?:weights|constants)/.*\.pt|serialized_.*"),
        "is a pickle, as torch 2.8 and older wrote it, which is not unpickled here: load the file with torch.export "
        "where it is trusted, and save it with torch 2.9 or newer",
    ),
    (re.compile(r"models/.*"), f"is a model of another name; wanted {_MODEL} alone"),
)


class ExportedArchive:
    """The members of a file that torch.export.save wrote. Use it in a ``with`` block."""

    def __init__(
        self,
        path: Path,
        engines: Mapping[str, bytes | None] | None = None,
        device: tuple[str, int | None] | None = None,
    ) -> None:
        """Opens the file and checks its members' names and places.

        Args:
            path: The file.
            engines: The members that were found to be engines, and torch's pickle to give to torch in place of each;
                None for a member that is such a pickle itself. Without it every object is refused.
            device: The type and the number of the device that all tensors are to be on; None: as in the file.

        Raises:
            ReadingError: It is no such file, or has a member that Nacelle does not read.
        """
        self._path = path
        self._engines = engines
        self._device = device
        self._file = path.open("rb")
        try:
            self._places = self._checked_places()
            self._check_names()
        except _DAMAGE as error:
            self._file.close()
            raise ReadingError(f"{path} cannot be read as an exported program: {error}") from error
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> ExportedArchive:
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the file."""
        self._file.close()

    def for_torch(self) -> IO[bytes]:
        """The archive that torch may read; valid within the ``with`` block.

        Raises:
            ReadingError: The program holds something that Nacelle does not read.
        """
        program = self._document(_MODEL).program(self._json(_MODEL))
        made = {_MODEL: json.dumps(program).encode(), "data/sample_inputs/model.pt": b""}
        kept: set[str] = set()
        for config, folder in ((_WEIGHTS, "data/weights/"), (_CONSTANTS, "data/constants/")):
            payload = self._document(config).payload(self._json(config))
            for name, meta in payload.items():
                member = folder + str(meta.get("path_name"))
                if member in (self._engines or ()):
                    meta["path_name"], content = self._engine(member)
                    made |= {folder + meta["path_name"]: content} if content is not None else {}
                    kept |= {member} if content is None else set()
                else:
                    kept.add(self._checked_tensor(config, folder, name, meta))
            made[config] = json.dumps({"config": payload}).encode()
        made |= {"archive_format": b"pt2", "archive_version": b"0", ".data/version": b"6\n"}
        return _rewritten(self._file, made, {name: self._places[name] for name in sorted(kept)})

    def _document(self, name: str) -> Document:
        return Document(f"{self._path}: {name}", engines=self._engines is not None, device=self._device)

    def _engine(self, member: str) -> tuple[str, bytes | None]:
        """The name under which torch reads an engine, and its pickle; None for the one in the file."""
        assert self._engines is not None
        content = self._engines[member]
        name = member.rpartition("/")[2]
        if content is None:
            return name, None
        return f"custom_obj_{1_000_000_000 + list(self._engines).index(member)}", content

    def _checked_places(self) -> dict[str, tuple[int, int]]:
        """The places of the members' bytes: offset and size of each."""
        with zipfile.ZipFile(self._file) as archive:
            infos = archive.infolist()
        if len(infos) > MAX_MEMBERS:
            raise ReadingError(f"{self._path} has {len(infos)} members; wanted at most {MAX_MEMBERS}")
        folders = {info.filename.partition("/")[0] for info in infos}
        if len(folders) != 1:
            raise ReadingError(f"{self._path} has members in {len(folders)} folders; wanted one, as torch writes it")
        lowered: set[str] = set()
        for info in infos:
            if info.filename != info.orig_filename or info.filename.lower() in lowered:
                raise self._refused(info.filename, "is there twice, or in another case, or has a NUL byte")
            lowered.add(info.filename.lower())
        places = {}
        end = 0
        for info in sorted(infos, key=lambda each: each.header_offset):
            name = info.filename.partition("/")[2]
            start = self._start(info)
            if info.header_offset < end:
                raise self._refused(name, "lies over another member")
            end = start + info.file_size
            places[name] = (start, info.file_size)
        if end > os.fstat(self._file.fileno()).st_size:
            raise ReadingError(f"{self._path} is cut off: a member ends after the file")
        return places

    def _check_names(self) -> None:
        for name in self._places:
            self._check_name(name)
        for name, content in _MARKS.items():
            if name in self._places and self._read(name, 64) != content:
                raise self._refused(name, f"is not {content.decode()}")

    def _check_name(self, name: str) -> None:
        if name in (_MODEL, _WEIGHTS, _CONSTANTS) or name in _MARKS or _TENSORS.fullmatch(name):
            return
        if _LEFT_OUT.fullmatch(name) or name in (self._engines or ()):
            return
        for pattern, reason in _REFUSED:
            if pattern.fullmatch(name):
                raise self._refused(name, reason)
        raise self._refused(name, "is no member that torch.export.save writes")

    def _start(self, info: zipfile.ZipInfo) -> int:
        """The offset of a member's bytes."""
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & _ENCRYPTED:
            raise self._refused(info.filename, "is compressed or encrypted; torch.export.save stores members as is")
        if info.file_size != info.compress_size:
            raise self._refused(info.filename, "has two sizes")
        if info.header_offset < 0:
            raise self._refused(info.filename, "begins before the file")
        header = os.pread(self._file.fileno(), _LOCAL_HEADER.size, info.header_offset)
        if len(header) != _LOCAL_HEADER.size or not header.startswith(archives.MAGIC):
            raise self._refused(info.filename, "is not where the table of contents says")
        _, _, name, extra = _LOCAL_HEADER.unpack(header)
        start: int = info.header_offset + _LOCAL_HEADER.size + name + extra
        return start

    def _refused(self, name: str, why: str) -> ReadingError:
        return ReadingError(f"{self._path}: member {quoted(name)} {why}")

    def _json(self, name: str) -> bytes:
        return self._read(name, MAX_JSON)

    def _read(self, name: str, limit: int) -> bytes:
        if name not in self._places:
            raise ReadingError(f"{self._path} has no {name}; wanted what torch.export.save writes (torch 2.9 or newer)")
        start, size = self._places[name]
        if size > limit:
            raise self._refused(name, f"has {size} bytes; wanted at most {limit}")
        return os.pread(self._file.fileno(), size, start)

    def _checked_tensor(self, config: str, folder: str, name: str, meta: dict[str, Any]) -> str:
        """The name of the member that holds a tensor, after checks of its description."""
        where = f"{self._path}: {config}: {quoted(name)}"
        if meta.get("use_pickle") is not False or meta.get("tensor_meta") is None:
            raise ReadingError(f"{where} is a pickled object, which is not unpickled here; wanted a plain tensor")
        member = folder + str(meta.get("path_name"))
        if member not in self._places:
            raise ReadingError(f"{where} is in {member}, and there is no such member")
        sizes = [extent.get("as_int") for extent in meta["tensor_meta"].get("sizes", ())]
        if not all(isinstance(extent, int) for extent in sizes):
            raise ReadingError(f"{where} has no fixed shape")
        if self._places[member][1] == 0 and math.prod(sizes) != 0:
            raise ReadingError(f"{where} has the shape {sizes} and no bytes: the file was saved without its values")
        return member


class _Recorder:
    """An output for zipfile that keeps parts: bytes, or places in the file that is read."""

    def __init__(self) -> None:
        self.parts: list[tuple[bytes | None, int, int]] = []  # bytes or None, offset in the file, size
        self.borrowed: int | None = None  # offset of the next bytes in the file, if they are not kept
        self._size = 0

    def write(self, data: ReadableBuffer) -> int:
        size = memoryview(data).nbytes
        self._size += size
        if self.borrowed is None:
            self.parts.append((bytes(data), 0, size))
        elif size:
            self.parts.append((None, self.borrowed, size))
            self.borrowed += size
        return size

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Does nothing: nothing is buffered."""


def _rewritten(file: IO[bytes], made: dict[str, bytes], places: dict[str, tuple[int, int]]) -> IO[bytes]:
    recorder = _Recorder()
    with zipfile.ZipFile(recorder, "w") as out:  # type: ignore[call-overload]
        for name, content in made.items():
            out.writestr(zipfile.ZipInfo(f"model/{name}"), content)
        for name, (start, size) in places.items():
            with out.open(zipfile.ZipInfo(f"model/{name}"), "w", force_zip64=size >= 1 << 31) as member:
                recorder.borrowed = start
                for block in _blocks(file, start, size):
                    member.write(block)
                recorder.borrowed = None
    return io.BufferedReader(_Parts(file, recorder.parts), _BLOCK)


def _blocks(file: IO[bytes], start: int, size: int) -> Iterable[bytes]:
    for offset in range(start, start + size, _BLOCK):
        block = os.pread(file.fileno(), min(_BLOCK, start + size - offset), offset)
        if not block:
            raise ReadingError("the file was cut while it was read")
        yield block


class _Parts(io.RawIOBase):
    """Reads parts one after another: bytes, and places of a file."""

    def __init__(self, file: IO[bytes], parts: list[tuple[bytes | None, int, int]]) -> None:
        self._file = file
        self._parts = parts
        self._ends = list(itertools.accumulate(size for _, _, size in parts))
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._ends[-1]}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        index = bisect_right(self._ends, self._position)
        if index == len(self._parts):
            return 0
        kept, offset, size = self._parts[index]
        within = self._position - (self._ends[index] - size)
        target = memoryview(buffer).cast("B")
        count = min(len(target), size - within)
        if kept is not None:
            target[:count] = kept[within : within + count]
        else:
            count = os.preadv(self._file.fileno(), [target[:count]], offset + within)
        self._position += count
        return count
