"""Files that are no programs, or damaged: every function that reads one says so in the same words."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle
from tests.py import damaged_files

X = torch.rand(1, 3, 8, 8)
ALL = damaged_files.NOT_PROGRAMS | damaged_files.NO_ARCHIVES

READERS: dict[str, Callable[[Any], object]] = {
    "read": nacelle.read,
    "convert": lambda source: nacelle.convert(source, "out.ts", abi_version=5),
    "extract": lambda source: nacelle.extract(source, "backbone", "out.plan"),
    "replace": lambda source: nacelle.replace(source, "backbone", b"", "out.ts"),
    "strip": lambda source: nacelle.strip(source, "out.ts"),
}
RUNNERS: dict[str, Callable[[Any], object]] = {"bench": lambda source: nacelle.bench(source, [X], seconds=0.01)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("files")
    damaged_files.write(made)
    return made


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


WAYS = [(name, way) for name in ALL for way in (*READERS, *RUNNERS) if (name, way) != ("exported.ts", "bench")]


def test_an_exported_program_is_run_whatever_its_suffix() -> None:
    assert nacelle.bench("exported.ts", [X], seconds=0.01, threads=[1]).parts is None


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_all_say_the_same(name: str, way: str) -> None:
    with pytest.raises(nacelle.InputError) as caught:
        (READERS | RUNNERS)[way](name)
    assert ALL[name] in caught.value.reason
    assert not Path("out.ts").exists()


def test_an_exported_program_without_engines_is_copied(tmp_path: Path) -> None:
    """It has nothing to change, whatever its suffix."""
    assert nacelle.read("exported.ts").engines == []
    for copy in (
        lambda out: nacelle.convert("exported.ts", out, abi_version=5),
        lambda out: nacelle.strip("exported.ts", out),
    ):
        copy(tmp_path / "out.ts")
        with zipfile.ZipFile("exported.ts") as before, zipfile.ZipFile(tmp_path / "out.ts") as after:
            assert {name: before.read(name) for name in before.namelist()} == {
                name: after.read(name) for name in after.namelist()
            }
    with pytest.raises(nacelle.InputError, match="the program has no engine 'backbone'; it has: none"):
        nacelle.extract("exported.ts", "backbone", tmp_path / "out.plan")


@pytest.mark.parametrize("way", READERS)
@pytest.mark.parametrize("name", damaged_files.SILENT)
def test_damage_that_torch_reads_over_is_found(name: str, way: str) -> None:
    """A program that is written again would have right checksums around what is damaged."""
    torch.jit.load(name)
    with pytest.raises(nacelle.InputError) as caught:
        READERS[way](name)
    assert caught.value.reason.startswith(damaged_files.SILENT[name])
    assert not Path("out.ts").exists()


@pytest.mark.parametrize("way", [*READERS, *RUNNERS])
def test_a_file_that_may_not_be_read(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = Path.open

    def refuse(path: Path, *arguments: Any, **keywords: Any) -> Any:
        if path.name == "good.ts":
            raise PermissionError(13, "Permission denied", str(path))
        return given(path, *arguments, **keywords)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PermissionError, match=r"Permission denied.*good\.ts"):
        (READERS | RUNNERS)[way]("good.ts")


@pytest.mark.parametrize("name", [name for name in ALL if name != "folder.ts"])
def test_open_files_get_the_same_words(name: str) -> None:
    with Path(name).open("rb") as file, pytest.raises(nacelle.InputError) as caught:
        nacelle.read(file)
    wanted = ALL[name] if name != "empty.ts" else "empty.ts is no TorchScript program: it is empty"
    assert wanted in caught.value.reason


def test_programs_are_read_from_open_files() -> None:
    content = Path("good.ts").read_bytes()
    program = nacelle.read(io.BytesIO(content))
    wanted = nacelle.read("good.ts")
    assert [engine.plan for engine in program.engines] == [engine.plan for engine in wanted.engines]
    assert all(torch.equal(one, other) for one, other in zip(program.module(X), wanted.module(X), strict=True))
    with Path("good.ts").open("rb") as file:
        assert nacelle.read(file).engines[0].name == "backbone"
    before = io.BytesIO(b"before" + content)
    before.seek(6)
    assert len(nacelle.read(before).engines) == 1
    nacelle.convert(io.BytesIO(content), "new.ts", abi_version=9)
    nacelle.extract(io.BytesIO(content), "backbone", "new.plan")
    assert Path("new.plan").read_bytes() == wanted.engines[0].plan
    assert nacelle.bench(io.BytesIO(content), [X], seconds=0.01).host.summary()["calls"] >= 3


def test_extra_files_come_from_open_files_too(tmp_path: Path) -> None:
    program = nacelle.read("good.ts").module
    buffer = io.BytesIO()
    torch.jit.save(program, buffer, _extra_files={"notes/a.txt": b"kept"})
    buffer.seek(0)
    read = nacelle.read(buffer)
    assert read.extra_files == {"notes/a.txt": b"kept"}
    read.save(tmp_path / "again.ts")
    with zipfile.ZipFile(tmp_path / "again.ts") as archive:
        assert archive.read("archive/extra/notes/a.txt") == b"kept"


@pytest.mark.parametrize("way", [*READERS, *RUNNERS])
@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"PK\x03\x04", r"found bytes; wanted a path or a file .*, open the bytes with io.BytesIO"),
        (bytearray(4), "found bytearray; wanted a path"),
        (None, "found NoneType; wanted a path or a file that is open for reading bytes"),
        (3, "found int; wanted a path"),
        ([], "found list; wanted a path"),
        (io.StringIO("text"), r"reading the StringIO gives str; open the file with 'rb'"),
    ],
    ids=["bytes", "bytearray", "none", "int", "list", "text"],
)
def test_what_is_no_file_is_told(source: object, words: str, way: str) -> None:
    with pytest.raises(nacelle.InputError, match=words):
        (READERS | RUNNERS)[way](source)


def test_a_module_is_no_file() -> None:
    with pytest.raises(nacelle.InputError, match=r"Linear holds no program; wanted a program, as nacelle\.compile"):
        nacelle.read(torch.nn.Linear(1, 1))  # type: ignore[arg-type]
    holder = torch.nn.Sequential(nacelle.read("good.ts").module)
    with pytest.raises(nacelle.InputError, match="found Sequential, which holds programs; wanted one of them"):
        nacelle.read(holder)  # type: ignore[arg-type]
