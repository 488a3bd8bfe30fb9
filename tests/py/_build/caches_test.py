"""The caches: on disk, bounded, shared by processes, and never in a build's way."""

import logging
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from nacelle_cli.files import replacing
from tests.py.networks import TwoHeads, seeded
from torch_nacelle import Input
from torch_nacelle._build.caches import EngineCache, TimingCache, cache_folder, key_of

IMAGES = Input(min=(1, 3, 8, 8), max=(4, 3, 8, 8))


class Counted:
    """Builds a plan of some size, and counts."""

    def __init__(self, size: int = 100, letter: bytes = b"x") -> None:
        self.count = 0
        self.plan = letter * size

    def __call__(self) -> bytes:
        self.count += 1
        return self.plan


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_an_engine_is_built_once(tmp_path: Path) -> None:
    build = Counted()
    cache = EngineCache(tmp_path / "new" / "folder")
    assert cache.get_or_build("a", build) == (build.plan, False)
    assert cache.get_or_build("a", build) == (build.plan, True)
    assert EngineCache(tmp_path / "new" / "folder").get_or_build("a", build) == (build.plan, True)
    assert build.count == 1
    assert cache.get_or_build("b", build) == (build.plan, False)
    assert files(tmp_path) == ["new/folder/a.plan", "new/folder/b.plan"]


def test_those_used_longest_ago_go_first(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path, size=500)
    for age, key in enumerate("abc"):
        cache.get_or_build(key, Counted())
        os.utime(tmp_path / f"{key}.plan", (age, age))
    assert cache.get_or_build("a", Counted())[1]  # used now
    cache.get_or_build("d", Counted())
    assert files(tmp_path) == ["a.plan", "c.plan", "d.plan"]
    assert sum((tmp_path / name).stat().st_size for name in files(tmp_path)) <= 500


def test_a_plan_larger_than_the_cache_is_not_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = EngineCache(tmp_path, size=500)
    cache.get_or_build("a", Counted())
    big = Counted(size=501)
    assert cache.get_or_build("b", big) == (big.plan, False)
    assert files(tmp_path) == ["a.plan"]
    assert "a plan of 501 bytes is not kept" in caplog.text


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:40] + b"?" + data[41:], lambda _: b""])
def test_a_damaged_engine_is_built_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[bytes], bytes]
) -> None:
    build = Counted()
    cache = EngineCache(tmp_path)
    cache.get_or_build("a", build)
    path = tmp_path / "a.plan"
    path.write_bytes(damage(path.read_bytes()))
    assert cache.get_or_build("a", build) == (build.plan, False)
    assert f"{path} is damaged" in caplog.text
    assert cache.get_or_build("a", build) == (build.plan, True)


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> bytes:
        raise OSError("from the build itself")

    with pytest.raises(OSError, match="from the build itself"):
        EngineCache(tmp_path).get_or_build("a", fail)
    assert files(tmp_path) == []


def refuse(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def write(path: Path, data: bytes) -> int:
        raise error

    monkeypatch.setattr(Path, "write_bytes", write)


def test_without_space_the_build_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(monkeypatch, OSError(28, "No space left on device"))
    build = Counted()
    assert EngineCache(tmp_path).get_or_build("a", build) == (build.plan, False)
    timing = TimingCache(tmp_path, "GPU 9.0", "TensorRT 8.5.3.1")
    timing.write(timing.read() + b"times")
    assert caplog.text.count("No space left on device") == 2
    assert files(tmp_path) == []


def test_where_no_folder_can_be_made_the_build_succeeds(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "cache"
    build = Counted()
    assert EngineCache(folder).get_or_build("a", build) == (build.plan, False)
    timing = TimingCache(folder, "GPU 9.0", "TensorRT 8.5.3.1")
    timing.write(timing.read() + b"times")
    assert str(folder) in caplog.text
    assert files(tmp_path) == ["file"]


def build_until(folder: Path, started: Event, end: Event, log: Path) -> None:
    """Builds, and is not done before `end` is set."""

    def build() -> bytes:
        with log.open("a") as file:
            file.write("built\n")
        started.set()
        end.wait()
        return b"plan"

    assert EngineCache(folder).get_or_build("a", build) == (b"plan", False)


def wait_for_a_build(folder: Path, waits: Event) -> None:
    """Asks for the engine that another process builds, and sets `waits` when the log says that it waits."""

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "waiting for another process" in record.getMessage():
                waits.set()

    logging.getLogger("torch_nacelle").addHandler(Told())
    assert EngineCache(folder).get_or_build("a", Counted()) == (b"plan", True)


def test_the_second_of_two_processes_waits_for_the_first(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    started, end, waits = (context.Event() for _ in range(3))
    log = tmp_path / "log"
    folder = tmp_path / "cache"
    first = context.Process(target=build_until, args=(folder, started, end, log))
    first.start()
    assert started.wait(600)
    second = context.Process(target=wait_for_a_build, args=(folder, waits))
    second.start()
    assert waits.wait(600)
    end.set()
    for process in (first, second):
        process.join(600)
        assert process.exitcode == 0
    assert log.read_text() == "built\n"
    assert files(folder) == ["a.plan"]


def test_a_process_that_was_killed_blocks_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    context = multiprocessing.get_context("spawn")
    started, end = context.Event(), context.Event()
    first = context.Process(target=build_until, args=(tmp_path, started, end, tmp_path / "log"))
    first.start()
    assert started.wait(600)
    first.kill()
    first.join(600)
    assert EngineCache(tmp_path).get_or_build("a", Counted())[1] is False
    assert "waiting" not in caplog.text


def half_written(folder: Path, begun: Event) -> None:
    with replacing(folder / "b.plan", follow=False) as temporary:
        temporary.write_bytes(b"half")
        begun.set()
        time.sleep(600)


def test_leftovers_of_killed_writers_go(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    begun = context.Event()
    writer = context.Process(target=half_written, args=(tmp_path, begun))
    writer.start()
    assert begun.wait(600)
    EngineCache(tmp_path).get_or_build("c", Counted())
    assert len(files(tmp_path)) == 2  # it lives
    writer.kill()
    writer.join(600)
    EngineCache(tmp_path).get_or_build("d", Counted())
    assert files(tmp_path) == ["c.plan", "d.plan"]


def write_times(folder: Path, letter: str, rounds: int) -> None:
    for size in range(rounds):
        timing = TimingCache(folder, "GPU 9.0", "TensorRT 8.5.3.1")
        times = timing.read()
        assert set(times) <= set(b"ab")
        timing.write(times + letter.encode() * (size + 1))


def test_times_of_processes_that_write_at_once_stay_whole(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=write_times, args=(tmp_path, letter, 12)) for letter in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    assert TimingCache(tmp_path, "GPU 9.0", "TensorRT 8.5.3.1").read()
    assert len(files(tmp_path)) == 1


def test_times_are_kept_by_device_and_release(tmp_path: Path) -> None:
    for device, release in (("H100 9.0", "TensorRT 8.5"), ("H100 9.0", "TensorRT 10.0"), ("A/100 8.0", "TensorRT 8.5")):
        timing = TimingCache(tmp_path, device, release)
        assert timing.read() == b""
        timing.write(f"{device} {release}".encode())
    assert TimingCache(tmp_path, "H100 9.0", "TensorRT 10.0").read() == b"H100 9.0 TensorRT 10.0"
    assert len(files(tmp_path)) == 3


def test_times_of_another_process_are_not_lost_to_fewer(tmp_path: Path) -> None:
    mine, other = (TimingCache(tmp_path, "GPU 9.0", "TensorRT 8.5") for _ in range(2))
    mine.read()
    other.read()
    other.write(b"many times")
    mine.write(b"few")
    assert mine.read() == b"many times"
    mine.write(b"few")  # it has seen the others now: these are what TensorRT made of them
    assert other.read() == b"few"


def test_damaged_times_are_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    timing = TimingCache(tmp_path, "GPU 9.0", "TensorRT 8.5")
    timing.write(b"times")
    timing.path.write_bytes(timing.path.read_bytes()[:-2])
    assert timing.read() == b""
    assert f"{timing.path} is damaged" in caplog.text
    timing.write(b"new")
    assert timing.read() == b"new"


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder(True, "engines") == tmp_path / "torch_nacelle" / "engines"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder(True, "timing") == tmp_path / "home" / ".cache" / "torch_nacelle" / "timing"
    assert cache_folder(False, "timing") is None
    assert cache_folder(str(tmp_path / "mine"), "timing") == tmp_path / "mine"
    (tmp_path / "file").write_text("")
    with pytest.raises(nacelle.InputError, match="is a file; a cache is a folder"):
        cache_folder(tmp_path / "file", "timing")


def test_without_platformdirs_a_folder_must_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    with pytest.raises(nacelle.InputError, match="not installed: pip install platformdirs, or name a folder"):
        cache_folder(True, "engines")
    assert cache_folder(tmp_path, "engines") == tmp_path


@pytest.mark.parametrize("module", ["torch_nacelle", "nacelle_cli.app"])
def test_platformdirs_is_needed_for_the_users_own_cache_alone(module: str) -> None:
    code = f"import sys; sys.modules['platformdirs'] = None; import {module}"
    path = os.pathsep.join(sys.path)
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=os.environ | {"PYTHONPATH": path}, check=True)


def test_keys() -> None:
    assert key_of({"a": 1, "b": [2]}) == key_of({"b": [2], "a": 1})
    different = [
        (b"ab", b"c"),
        (b"a", b"bc"),
        ("ab", "c"),
        (["ab", "c"],),
        ({"ab": "c"},),
        (1,),
        (True,),
        ("1",),
        (1.0,),
    ]
    assert len({key_of(*parts) for parts in different}) == len(different)


def test_engines_of_the_reference_engine_are_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = torch.jit.script(seeded(TwoHeads))
    first = nacelle.build_engine(module, [IMAGES], backend="reference", engine_cache=tmp_path)
    monkeypatch.setattr("torch_nacelle._C.build_reference", None)
    assert nacelle.build_engine(module, [IMAGES], backend="reference", engine_cache=tmp_path) == first
    with pytest.raises(TypeError):  # another engine: it would be built
        nacelle.build_engine(module, [IMAGES], backend="reference", engine_cache=tmp_path, name="other")
