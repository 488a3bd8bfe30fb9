"""Caches that another user could have filled are not used, and what a cache holds is for its user alone."""

import contextlib
import multiprocessing
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.networks import TwoHeads, seeded
from torch_nacelle._build.caches import EngineCache, TimingCache, cache_folder

PLAN = b"plan"
OTHER = 12345  # a user


def used(folder: Path) -> bool:
    """True if an engine that is built is found again, and so are times."""
    cache = EngineCache(folder)
    cache.get_or_build("a", lambda: PLAN)
    plan, found = cache.get_or_build("a", lambda: PLAN)
    assert plan == PLAN
    timing = TimingCache(folder, "GPU 9.0", "TensorRT 8.5.3.1")
    timing.write(timing.read() + b"times")
    assert found == bool(timing.read())
    return found


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.lstat().st_mode) for path in folder.rglob("*") if path.is_file()}


@contextlib.contextmanager
def umask(value: int) -> Iterator[None]:
    former = os.umask(value)
    try:
        yield
    finally:
        os.umask(former)


@pytest.mark.parametrize("value", [0o000, 0o002, 0o022, 0o077, 0o277])
def test_modes_whatever_the_umask(tmp_path: Path, value: int) -> None:
    folder = tmp_path / "home" / "cache" / "engines"
    with umask(value):
        assert used(folder)
    for made in (folder, folder.parent, folder.parent.parent):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert modes(folder) == {0o600}


@pytest.mark.parametrize("value", [0o000, 0o277])
def test_a_lock_is_for_its_user_alone(tmp_path: Path, value: int) -> None:
    def build() -> bytes:
        assert stat.S_IMODE((tmp_path / "a.plan.lock").stat().st_mode) == 0o600
        return PLAN

    with umask(value):
        EngineCache(tmp_path).get_or_build("a", build)


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o772, 0o720, 0o1777])
def test_a_folder_that_others_may_write_is_not_used(
    tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "cache"
    assert used(folder)
    folder.chmod(mode)
    before = sorted(os.listdir(folder))
    caplog.clear()
    assert not used(folder)
    assert sorted(os.listdir(folder)) == before
    assert f"the folder {folder} may be written by others (mode {mode:04o})" in caplog.text
    assert "chmod go-w" in caplog.text
    folder.chmod(0o755)
    assert used(folder)


def test_a_folder_below_one_that_others_may_write_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "shared" / "mine" / "cache"
    assert used(folder)
    (tmp_path / "shared").chmod(0o777)
    assert not used(folder)
    assert not used(tmp_path / "shared" / "new")
    assert not (tmp_path / "shared" / "new").exists()
    assert f"the folder {tmp_path / 'shared'} above it may be written by others" in caplog.text
    (tmp_path / "shared").chmod(0o1777)  # as /tmp: nobody renames what is not theirs
    assert used(folder)


def test_a_folder_behind_a_link_is_looked_at_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "mine").symlink_to("shared/cache")
    (tmp_path / "shared" / "cache").mkdir()
    assert used(tmp_path / "mine")
    (tmp_path / "shared").chmod(0o777)
    assert not used(tmp_path / "mine")


@pytest.mark.parametrize("place", ["", "..", "a.plan"])
def test_what_belongs_to_another_user_is_not_used(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "above" / "cache"
    assert used(folder)
    number = (folder / place).resolve().stat().st_ino
    stat_of, fstat = os.stat, os.fstat

    def owned(status: os.stat_result) -> os.stat_result:
        return os.stat_result([*status[:4], OTHER, *status[5:]]) if status.st_ino == number else status

    monkeypatch.setattr(os, "stat", lambda path, **rest: owned(stat_of(path, **rest)))
    monkeypatch.setattr(os, "fstat", lambda descriptor: owned(fstat(descriptor)))
    assert EngineCache(folder).get_or_build("a", lambda: b"new") == (b"new", False)
    assert f"belongs to user {OTHER}" in caplog.text


def test_a_file_that_others_may_write_is_not_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert used(tmp_path)
    (tmp_path / "a.plan").chmod(0o666)
    assert EngineCache(tmp_path).get_or_build("a", lambda: b"new") == (b"new", False)
    assert "a.plan is not read: it may be written by others (mode 0666)" in caplog.text
    assert EngineCache(tmp_path).get_or_build("a", lambda: b"") == (b"new", True)
    assert modes(tmp_path) == {0o600}


def _use(folder: Path) -> None:
    assert used(folder)


@pytest.mark.parametrize("kind", ["pipe", "device", "link", "folder"])
def test_a_plan_that_is_no_file_is_not_opened(tmp_path: Path, kind: str) -> None:
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    target = tmp_path / "target"
    target.write_bytes(b"else")
    names = ["a.plan", TimingCache(cache, "GPU 9.0", "TensorRT 8.5.3.1").path.name]
    for name in names:
        if kind == "pipe":
            os.mkfifo(cache / name, 0o600)
        elif kind == "folder":
            (cache / name).mkdir()
        else:
            (cache / name).symlink_to(target if kind == "link" else "/dev/zero")
    if kind == "folder":  # it cannot be replaced: the cache does without
        assert EngineCache(cache).get_or_build("a", lambda: PLAN) == (PLAN, False)
        return
    process = multiprocessing.get_context("fork").Process(target=_use, args=(cache,))  # in case that it waits for ever
    process.start()
    process.join(120)
    process.kill()
    process.join()
    assert process.exitcode == 0
    for name in names:
        assert stat.S_ISREG((cache / name).lstat().st_mode)
    assert target.read_bytes() == b"else"


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe"])
def test_a_lock_that_is_no_file_makes_nothing(tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    target = tmp_path / "target"
    if kind == "pipe":
        os.mkfifo(cache / "a.plan.lock", 0o600)
    else:
        (cache / "a.plan.lock").symlink_to(target)
    if kind == "link":
        target.write_bytes(b"else")
        target.chmod(0o644)
    assert EngineCache(cache).get_or_build("a", lambda: PLAN) == (PLAN, False)
    assert f"the engine cache {cache} is not used" in caplog.text
    assert os.listdir(cache) == ["a.plan.lock"]
    assert target.exists() == (kind == "link")
    if kind == "link":
        assert (target.read_bytes(), stat.S_IMODE(target.stat().st_mode)) == (b"else", 0o644)


@pytest.mark.parametrize("home", [None, "", "relative"])
def test_without_a_home_folder_there_is_no_cache(
    tmp_path: Path, home: str | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unknown(_: int) -> pwd.struct_passwd:
        raise KeyError("no such user")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    if home is None:
        monkeypatch.delenv("HOME", raising=False)
    else:
        monkeypatch.setenv("HOME", home)
    monkeypatch.chdir(tmp_path)
    for kind in ("engines", "timing"):
        assert cache_folder(True, kind) is None
        assert f"no cache of {kind} is used: this user has no home folder; set HOME or XDG_CACHE_HOME" in caplog.text
    module = torch.jit.script(seeded(TwoHeads))
    nacelle.build_engine(module, [torch.rand(1, 3, 8, 8)], backend="reference", engine_cache=True)
    assert os.listdir(tmp_path) == []


def test_the_system_knows_a_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    assert cache_folder(True, "timing") == home / ".cache" / "torch_nacelle" / "timing"
