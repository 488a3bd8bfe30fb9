"""Files that take the place of others whole: what stays of the former one, what writers leave, what a failure does."""

import errno
import fcntl
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import torch_nacelle as nacelle
from nacelle_cli import files
from tests.py._runtime.written_files import NEW, names, terminal, write
from torch_nacelle._runtime.files import replacing


@pytest.fixture
def device() -> Iterator[tuple[str, int]]:
    with terminal() as ends:
        yield ends


@pytest.mark.parametrize("given", [None, 3, b"bytes"])
def test_what_is_no_path_is_told(given: object) -> None:
    with pytest.raises(nacelle.InputError, match=f"found {type(given).__name__}; wanted the path of the file to write"):
        write(given)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755, 0o444, 0o4711])
def test_permissions_stay(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    (tmp_path / "link").symlink_to("file")
    for given in (path, tmp_path / "link"):
        write(given)
        assert (stat.S_IMODE(path.stat().st_mode), path.read_bytes()) == (mode, NEW)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000, 0o777])
def test_a_new_file_has_what_the_umask_leaves(tmp_path: Path, umask: int) -> None:
    former = os.umask(umask)
    try:
        write(tmp_path / "file")
    finally:
        os.umask(former)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~umask


def test_nobody_else_reads_half_a_file(tmp_path: Path) -> None:
    with replacing(tmp_path / "file") as temporary:
        temporary.write_bytes(NEW)
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600


class Owners:
    """Stands for the system's owners of files: this process may give them to some users and groups."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, former: tuple[int, int], allowed: tuple[int, int]) -> None:
        self.now = (1, 1)
        self.allowed = allowed
        lstat, fstat = os.lstat, os.fstat
        monkeypatch.setattr(os, "lstat", lambda path: self._with(lstat(path), former))
        monkeypatch.setattr(os, "fstat", lambda descriptor: self._with(fstat(descriptor), self.now))
        monkeypatch.setattr(os, "fchown", self._give)

    def _with(self, status: os.stat_result, owners: tuple[int, int]) -> os.stat_result:
        return os.stat_result([*status[:4], *owners, *status[6:]])

    def _give(self, _: int, user: int, group: int) -> None:
        for given, allowed in ((user, self.allowed[0]), (group, self.allowed[1])):
            if given not in (-1, allowed):
                raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        self.now = (self.now[0] if user == -1 else user, self.now[1] if group == -1 else group)


@pytest.mark.parametrize(
    ("allowed", "owners", "mode"),
    [
        ((7, 8), (7, 8), 0o6764),
        ((1, 8), (1, 8), 0o2764),  # setuid would be another user's
        ((1, 1), (1, 1), 0o0744),  # and so would the group's rights be another group's
    ],
    ids=["both", "group", "none"],
)
def test_owners_are_kept_as_far_as_the_system_lets_us(
    tmp_path: Path, allowed: tuple[int, int], owners: tuple[int, int], mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o6764)
    with monkeypatch.context() as changed:
        system = Owners(changed, (7, 8), allowed)
        write(path)
    assert system.now == owners
    assert (stat.S_IMODE(path.stat().st_mode), path.read_bytes()) == (mode, NEW)


@pytest.mark.parametrize("existing", [False, True])
def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path, existing: bool) -> None:
    path = tmp_path / "file"
    if existing:
        path.write_bytes(b"old")
    with pytest.raises(ValueError, match="half"), replacing(path) as temporary:
        temporary.write_bytes(NEW)
        raise ValueError("half")
    assert names(tmp_path) == (["file"] if existing else [])
    assert not existing or path.read_bytes() == b"old"


def test_errors_name_the_destination(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space") as caught, replacing(tmp_path / "file") as temporary:
        raise OSError(errno.ENOSPC, "No space left on device", str(temporary))
    assert caught.value.filename == str(tmp_path / "file")
    with pytest.raises(OSError, match="No space") as caught, replacing(tmp_path / "file"):
        raise OSError(errno.ENOSPC, "No space left on device")  # as an open file raises it
    assert caught.value.filename == str(tmp_path / "file")


def _begin(path: Path, begun: "multiprocessing.synchronize.Event") -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(b"half")
        begun.set()
        time.sleep(600)


def begun_writer(path: Path) -> multiprocessing.process.BaseProcess:
    context = multiprocessing.get_context("fork")
    begun = context.Event()
    process = context.Process(target=_begin, args=(path, begun))
    process.start()
    assert begun.wait(600)
    return process


def test_a_killed_writers_leftover_goes_with_the_next_write(tmp_path: Path) -> None:
    killed = [begun_writer(tmp_path / name) for name in ("a", "a", "b")]
    for process in killed:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join(600)
    assert len(names(tmp_path)) == 3
    write(tmp_path / "a")
    assert len(names(tmp_path)) == 2  # that of b stays: another destination
    write(tmp_path / "b")
    assert names(tmp_path) == ["a", "b"]


def test_a_living_writers_file_is_left_alone(tmp_path: Path) -> None:
    process = begun_writer(tmp_path / "a")
    try:
        (half,) = names(tmp_path)
        write(tmp_path / "a")
        files.remove_leftovers(tmp_path)
        assert names(tmp_path) == [half, "a"]
    finally:
        process.kill()
        process.join(600)


def test_only_temporary_files_of_ours_go(tmp_path: Path) -> None:
    write(tmp_path / "a")
    prefix = files.temporary_prefix("a")
    (tmp_path / (prefix + "01234567")).write_bytes(b"left")
    kept = [".nacelle.notes", prefix + "0123", prefix + "0123456789", prefix.upper() + "01234567", ".a.01234567"]
    for name in kept:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / (prefix + "00000000")).mkdir()
    os.mkfifo(tmp_path / (prefix + "00000001"))
    (tmp_path / (prefix + "00000002")).symlink_to("a")
    write(tmp_path / "a")
    assert names(tmp_path) == sorted(["a", *kept, *(prefix + "0000000" + digit for digit in "012")])


def test_leftovers_of_writers_to_devices_go_too(
    tmp_path: Path, device: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    process = begun_writer(Path(device[0]))
    process.kill()
    process.join(600)
    assert len(names(tmp_path)) == 1
    write(device[0])
    assert names(tmp_path) == []


def _write_many(path: Path, letter: bytes) -> None:
    for _ in range(100):
        write(path, letter * 100_000)


def test_the_last_of_several_writers_wins_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, b"a" * 100_000)
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_many, args=(path, letter)) for letter in (b"a", b"b", b"c")]
    for process in writers:
        process.start()
    while any(process.is_alive() for process in writers):
        content = path.read_bytes()
        assert content == content[:1] * 100_000
    for process in writers:
        process.join()
        assert process.exitcode == 0
    assert names(tmp_path) == ["file"]


def test_file_and_folder_are_synced_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "else").mkdir()
    (tmp_path / "link").symlink_to("else/file")
    order = []
    fsync, rename = os.fsync, os.rename

    def recorded_fsync(descriptor: int) -> None:
        order.append("folder" if os.fstat(descriptor).st_ino == (tmp_path / "else").stat().st_ino else "file")
        fsync(descriptor)

    def recorded_rename(source: "os.PathLike[str]", destination: str) -> None:
        order.append("rename")
        rename(source, destination)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "rename", recorded_rename)
    write(tmp_path / "link")
    assert order == ["file", "rename", "folder"]


def test_a_folder_that_cannot_be_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    number = errno.EINVAL  # of file systems that cannot
    write(tmp_path / "file", b"1")
    number = errno.EIO
    with pytest.raises(OSError, match="the file is written, and its folder cannot be synced: Input/output error"):
        write(tmp_path / "file", b"2")
    assert (tmp_path / "file").read_bytes() == b"2"


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    left = tmp_path / (files.temporary_prefix("file") + "01234567")
    left.write_bytes(b"half")
    monkeypatch.setattr(fcntl, "flock", refuse)
    write(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == NEW
    assert left.exists()  # nobody knows


def test_links_that_are_replaced_themselves(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with files.replacing(tmp_path / name, follow=False, mode=0o600) as temporary:
            temporary.write_bytes(NEW)
        assert stat.S_ISREG(os.lstat(tmp_path / name).st_mode)
        assert stat.S_IMODE(os.lstat(tmp_path / name).st_mode) == 0o600
    assert (tmp_path / "target").read_bytes() == b"old"


def test_it_is_written_without_torch() -> None:
    code = "import sys; import nacelle_cli.files; print(sorted({'torch', 'typer', 'rich'} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "[]\n"


def test_a_block_within_a_block_writes_the_file_of_the_outer_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with replacing(path) as outer:
        with replacing(outer) as inner:
            assert inner == outer
            inner.write_bytes(NEW)
        assert path.read_bytes() == b"old"
        with replacing(path) as other:  # a second writer leaves the file of the first, which is locked
            other.write_bytes(b"other")
        assert outer.read_bytes() == NEW
    assert path.read_bytes() == NEW
    with pytest.raises(ValueError, match="of ours"), replacing(path) as outer, replacing(outer) as inner:
        inner.write_bytes(b"half")
        raise ValueError("of ours")
    assert path.read_bytes() == NEW
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
