"""What earlier builds left on disk: measured times, and whole engines.

A cache never breaks a build: a file that is damaged or cannot be written is a warning, and the build goes on without.
Files are written under a temporary name and moved, so a reader sees an old one or a new one; any number of processes
may use a folder at once, on one machine or where flock works between machines.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from torch_nacelle._files import replacing
from torch_nacelle.errors import InputError

DEFAULT_SIZE = 4 * 2**30
"""Bytes that the engine cache may hold where nothing else is said."""

# How long to wait for another process: that writes a file, that builds the same engine.
_WAIT_FOR_WRITER = 10.0
_WAIT_FOR_BUILDER = 3600.0
_TELL_AFTER = 2.0

# Seconds after which a file that is still being written has no writer any more.
_LEFT_OVER = 86400.0

_MAGIC = b"torch_nacelle cache 1\n"

_logger = logging.getLogger("torch_nacelle")
_T = TypeVar("_T")


def cache_folder(given: "bool | str | os.PathLike[str]", kind: str) -> Path | None:
    """The folder of a cache.

    Args:
        given: The option: False for none, True for the user's own, or a folder, which is made where it is not there.
        kind: ``"timing"`` or ``"engines"``: the folder's name in the user's own cache.

    Returns:
        The folder, which may not exist; None for none.

    Raises:
        InputError: The path is a file.
    """
    if given is False:
        return None
    if given is not True:
        folder = Path(given)
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file; a cache is a folder, with a file for each device and release in it")
        return folder
    base = os.environ.get("XDG_CACHE_HOME", "")
    # An XDG path that is relative does not count.
    home = Path(base) if os.path.isabs(base) else Path(os.path.expanduser("~"), ".cache")
    return home / "torch_nacelle" / kind


def key_of(*parts: object) -> str:
    """A sha256 over the parts, which are bytes, texts, numbers, truths, and lists, tuples and dicts of them."""
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else _text(part).encode()
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def _text(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{_text(key)}:{_text(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_text, value)) + "]"
    return repr(value)


class TimingCache:
    """Measured times of one device and one TensorRT release, in a file of the folder."""

    def __init__(self, folder: Path, device: str, release: str) -> None:
        """Names the file; opens nothing.

        Args:
            folder: Where it lies.
            device: The device's name and compute capability.
            release: What measures, with its release.
        """
        words = re.sub(r"[^A-Za-z0-9.]+", "_", f"{device} {release}").strip("_")
        self.path = folder / f"{words}.{key_of(device, release)[:8]}.timing"
        self._read = b""

    def read(self) -> bytes:
        """The times so far; empty where there are none."""
        self._read = _read_file(self.path) or b""
        return self._read

    def write(self, times: bytes) -> None:
        """Keeps the times for later builds.

        Where another process has written meanwhile, the longer of the two stays: joining them is the builder's art, and
        what is lost is measured again.
        """

        def write_under_lock() -> None:
            with _locked(self.path, _WAIT_FOR_WRITER):
                there = _read_file(self.path) or b""
                if there != times and (there == self._read or len(times) > len(there)):
                    _write_file(self.path, times)

        if times:
            _attempt(f"the timing cache {self.path}", write_under_lock, None)


class EngineCache:
    """Plans by key, in a folder that is bounded in size."""

    def __init__(self, folder: Path, size: int = DEFAULT_SIZE) -> None:
        """Opens nothing.

        Args:
            folder: Where the plans lie.
            size: Bytes that they may have together.
        """
        self.folder = folder
        self.size = size

    def get_or_build(self, key: str, build: Callable[[], bytes]) -> tuple[bytes, bool]:
        """The plan of the key, and whether it was there.

        While one process builds it, others that want the same one wait for it; after an hour they build it too.
        """
        path = self.folder / f"{key}.plan"
        found = self._find(path)
        if found is not None:
            return found, True
        what = f"the engine cache {self.folder}"
        with contextlib.ExitStack() as stack:
            usable = _attempt(what, lambda: stack.enter_context(_locked(path, _WAIT_FOR_BUILDER)), False)
            found = self._find(path) if usable else None
            if found is not None:
                return found, True
            plan = build()
            if usable:
                _attempt(what, lambda: self._store(path, plan), None)
        return plan, False

    def _find(self, path: Path) -> bytes | None:
        plan = _attempt(f"the engine cache {self.folder}", lambda: _read_file(path), None)
        if plan is not None:
            with contextlib.suppress(OSError):  # a folder that can only be read
                os.utime(path)
        return plan

    def _store(self, path: Path, plan: bytes) -> None:
        if len(plan) + len(_MAGIC) + 32 > self.size:
            _logger.warning(
                "a plan of %d bytes is not kept: the engine cache %s may hold %d (engine_cache_size)",
                len(plan),
                self.folder,
                self.size,
            )
            return
        _write_file(path, plan)
        self._evict(path)

    def _evict(self, newest: Path) -> None:
        """Removes plans, those that were used longest ago first, until the rest fit; never the newest."""
        self._remove_leftovers()
        plans = []
        for path in self.folder.glob("*.plan"):
            with contextlib.suppress(FileNotFoundError):  # another process evicts too
                status = path.stat()
                plans.append((status.st_mtime_ns, path, status.st_size))
        total = sum(size for _, _, size in plans)
        for _, path, size in sorted(plans):
            if total <= self.size:
                break
            if path != newest:
                path.unlink(missing_ok=True)
                total -= size

    def _remove_leftovers(self) -> None:
        """Removes what processes that were killed had begun to write."""
        for folder in self.folder.glob(".*.plan.*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - folder.stat().st_mtime > _LEFT_OVER:
                    shutil.rmtree(folder, ignore_errors=True)


def _attempt(what: str, action: Callable[[], _T], otherwise: _T) -> _T:
    """What the action returns; `otherwise`, with a warning, where the system refuses it."""
    try:
        return action()
    except OSError as error:
        _logger.warning("%s is not used: %s", what, error)
        return otherwise


def _read_file(path: Path) -> bytes | None:
    """The contents; None where there is no file, or it is damaged, which is a warning."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        _logger.warning("%s is not read: %s", path, error)
        return None
    start = len(_MAGIC) + hashlib.sha256().digest_size
    if data[: len(_MAGIC)] != _MAGIC or data[len(_MAGIC) : start] != hashlib.sha256(data[start:]).digest():
        _logger.warning("%s is damaged and not used; it will be written anew", path)
        return None
    return data[start:]


def _write_file(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(_MAGIC + hashlib.sha256(data).digest() + data)


@contextlib.contextmanager
def _locked(path: Path, patience: float) -> Iterator[bool]:
    """Alone among processes and threads with `path`; not alone any more after `patience` seconds of waiting."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(path.name + ".lock")
    start = time.monotonic()
    told = False
    descriptor = _take(lock)
    while descriptor is None and time.monotonic() < start + patience:
        if not told and time.monotonic() > start + _TELL_AFTER:
            _logger.warning("waiting for another process that works on %s", path)
            told = True
        time.sleep(0.05)
        descriptor = _take(lock)
    try:
        yield True
    finally:
        if descriptor is not None:
            with contextlib.suppress(OSError):  # the file may stay: it says nothing by itself
                lock.unlink(missing_ok=True)
            os.close(descriptor)


def _take(lock: Path) -> int | None:
    """The lock's file, held by this process; None while another one holds it."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it may have removed the file: then the lock is on a file that nobody finds.
        if os.path.samestat(os.fstat(descriptor), os.stat(lock)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
