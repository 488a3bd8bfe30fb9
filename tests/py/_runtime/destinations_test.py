"""Destinations of files: through links, to devices, pipes and open files, under any name."""

import errno
import os
import re
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import torch_nacelle as nacelle
from nacelle_cli import files
from tests.py._runtime.written_files import NEW, names, terminal, write
from torch_nacelle._runtime.files import replacing

NOT_UTF_8 = os.fsdecode(b"not utf-8 \xff\xfe")


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    target = tmp_path / "else" / "target"
    target.write_bytes(b"old")
    link = tmp_path / "link"
    link.symlink_to("else/target")
    before = target.stat().st_ino
    write(link)
    assert (os.readlink(link), target.read_bytes()) == ("else/target", NEW)
    assert target.stat().st_ino != before  # whoever reads the former one is not disturbed
    assert (names(tmp_path), names(tmp_path / "else")) == (["else", "link"], ["target"])


def test_a_dangling_link_gets_a_target(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("target")
    write(link)
    assert (os.readlink(link), (tmp_path / "target").read_bytes()) == ("target", NEW)


def test_a_chain_of_links_through_folders(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "to_b").symlink_to("a/b")
    (tmp_path / "a" / "b" / "second").symlink_to("../third")
    (tmp_path / "a" / "third").symlink_to(tmp_path / "target")
    (tmp_path / "first").symlink_to("to_b/second")
    write(tmp_path / "first")
    assert (tmp_path / "target").read_bytes() == NEW
    assert names(tmp_path) == ["a", "first", "target", "to_b"]
    assert (tmp_path / "a" / "third").is_symlink()


def test_links_that_lead_nowhere_are_told(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels of symbolic links") as caught:
        write(tmp_path / "a")
    assert caught.value.errno == errno.ELOOP
    (tmp_path / "c").symlink_to("none/file")
    with pytest.raises(FileNotFoundError, match=r"c: it is a link to .*none/file, and there is no folder .*none$"):
        write(tmp_path / "c")
    (tmp_path / "d").symlink_to(tmp_path)
    with pytest.raises(IsADirectoryError, match=r"d: it is a link to .*, a folder; name a file in it"):
        write(tmp_path / "d")
    assert names(tmp_path) == ["a", "b", "c", "d"]


def test_a_link_of_another_user_in_a_folder_that_all_may_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (tmp_path / "target").write_bytes(b"old")
    link = shared / "link"
    link.symlink_to(tmp_path / "target")
    lstat = os.lstat

    def of_another_user(path: "str | os.PathLike[str]") -> os.stat_result:
        found = list(lstat(path))
        if os.fspath(path) == str(link):
            found[4] = 12345
        return os.stat_result(found)

    with monkeypatch.context() as changed:
        changed.setattr(os, "lstat", of_another_user)
        write(link, b"1")  # whoever made it, nobody else may write here
        assert (tmp_path / "target").read_bytes() == b"1"
        shared.chmod(0o1777)
        with pytest.raises(
            PermissionError, match="is a link that user 12345 made in a folder that everybody may write"
        ):
            write(link)
    assert (tmp_path / "target").read_bytes() == b"1"
    write(link)  # one's own
    assert (tmp_path / "target").read_bytes() == NEW


@pytest.fixture
def device() -> Iterator[tuple[str, int]]:
    with terminal() as ends:
        yield ends


@pytest.mark.parametrize("through_link", [False, True])
def test_a_device_is_written_in_place(
    tmp_path: Path, device: tuple[str, int], through_link: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    path, reader = device
    if through_link:
        (tmp_path / "link").symlink_to(path)
    before = os.stat(path)
    write(tmp_path / "link" if through_link else path)
    assert os.read(reader, 100) == NEW
    after = os.stat(path)
    assert (after.st_ino, after.st_mode, after.st_rdev) == (before.st_ino, before.st_mode, before.st_rdev)
    assert names(scratch) == []
    assert names(tmp_path) == (["link", "scratch"] if through_link else ["scratch"])


def test_a_device_that_goes_away_is_told(device: tuple[str, int]) -> None:
    path, reader = device
    with pytest.raises(FileNotFoundError, match="No such file") as caught, replacing(path) as temporary:
        temporary.write_bytes(NEW)
        os.close(reader)
    assert caught.value.filename == path
    assert not Path(path).exists()


def test_a_pipe_is_written_to_its_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = os.urandom(1 << 20)  # more than a pipe holds
    read: list[bytes] = []

    waits = threading.Event()

    def sleep(seconds: float) -> None:
        waits.set()
        time.sleep(seconds)

    def reader() -> None:
        waits.wait()  # the writer is there first
        read.append(pipe.read_bytes())

    thread = threading.Thread(target=reader)
    thread.start()
    monkeypatch.setattr(files, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    write(pipe, content)
    thread.join(600)
    assert read == [content]
    assert stat.S_ISFIFO(os.lstat(pipe).st_mode)
    assert names(tmp_path) == ["pipe"]


def test_a_pipe_without_a_reader_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "WAIT_FOR_READER", 0.2)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=r"it is a pipe, and no process has opened it for reading in .* seconds; start"):
        write(tmp_path / "pipe")
    assert stat.S_ISFIFO(os.lstat(tmp_path / "pipe").st_mode)


def test_a_reader_that_goes_away_is_told(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(OSError, match="pipe: its reader has closed it"), replacing(pipe) as temporary:
        temporary.write_bytes(bytes(1 << 20))
        threading.Timer(0.2, os.close, [reader]).start()


def test_a_block_that_fails_writes_nothing_to_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(ValueError, match="half"), replacing(pipe) as temporary:
        temporary.write_bytes(NEW)
        raise ValueError("half")
    assert os.read(reader, 100) == b""
    os.close(reader)


@pytest.mark.parametrize("path", ["/dev/fd/{}", "/proc/self/fd/{}", "/proc/thread-self/fd/{}", "link"])
def test_an_open_file_is_written_where_it_stands(tmp_path: Path, path: str) -> None:
    target = tmp_path / "log"
    with target.open("wb") as file:
        file.write(b"before ")
        file.flush()
        path = path.format(file.fileno())
        if path == "link":
            path = str(tmp_path / "link")
            os.symlink(f"/dev/fd/{file.fileno()}", path)
        write(path)
        file.write(b" after")
    assert target.read_bytes() == b"before " + NEW + b" after"


def test_an_open_file_that_is_not_there() -> None:
    with pytest.raises(OSError, match="Bad file descriptor: '/dev/fd/987'"):
        write("/dev/fd/987")


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        with pytest.raises(OSError, match="cannot write s: it is a socket; name a file, a device or a pipe"):
            write("s")


@pytest.mark.parametrize(
    "name",
    [
        "x" * 255,
        "x" * 250,
        "é" * 127,
        "日" * 85,
        NOT_UTF_8,
        "a\nb",
        " ",
        "-o",
    ],
    ids=["255", "250", "254-latin", "255-cjk", "not-utf-8", "line", "space", "option"],
)
def test_any_name_that_the_system_allows(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / name, name):
        for content in (b"first", NEW):
            write(path, content)
            assert Path(path).read_bytes() == content
    assert os.listdir(os.fsencode(tmp_path)) == [os.fsencode(name)]


@pytest.mark.parametrize("name", ["x" * 250 + ".ts", NOT_UTF_8, f"{NOT_UTF_8}/file"], ids=["long", "bytes", "folder"])
def test_programs_have_such_names(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    program = nacelle.read(torch.jit.script(torch.nn.ReLU()))
    program.save(tmp_path / name)
    program.save(tmp_path / "plain.ts")
    assert (tmp_path / name).read_bytes() == (tmp_path / "plain.ts").read_bytes()


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("", FileNotFoundError, "cannot write a file without a name: the path is empty"),
        (
            "new.ts/",
            IsADirectoryError,
            "cannot write new.ts/: a path that ends with / is a folder's; name a file in it",
        ),
        ("file/", IsADirectoryError, "cannot write file/: a path that ends with / is a folder's"),
        ("folder", IsADirectoryError, "cannot write folder: it is a folder; name a file in it"),
        ("folder/..", IsADirectoryError, "cannot write folder/..: it is a folder"),
        (".", IsADirectoryError, "cannot write .: it is a folder"),
        ("none/file", FileNotFoundError, "cannot write none/file: there is no folder none"),
        ("file/new", NotADirectoryError, "cannot write file/new: file is no folder"),
        ("a\0b", FileNotFoundError, r"cannot write 'a\x00b': a file's name cannot hold the byte 0"),
        ("x" * 256, OSError, "File name too long: 'xxx"),
        ("/proc/new", OSError, "'/proc/new'"),
    ],
    ids=[
        "empty",
        "slash",
        "slash-file",
        "folder",
        "dots",
        "dot",
        "no-folder",
        "no-folder-file",
        "zero",
        "long",
        "proc",
    ],
)
def test_paths_that_cannot_be_written_are_told(
    tmp_path: Path, path: str, error: type[OSError], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(error, match=re.escape(words)):
        write(path)
    assert (names(tmp_path), (tmp_path / "file").read_bytes()) == (["file", "folder"], b"old")
