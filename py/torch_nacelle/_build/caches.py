"""Caches of earlier builds on disk: measured times, and whole engines.

A cache never breaks a build: a file that is damaged or cannot be written is a warning, and the build goes on without.
Files are written under a temporary name and moved, so a reader sees an old one or a new one; any number of processes
may use a folder at once, on one machine or if flock works between machines.

A plan from a cache is run, so a cache is trusted as a program is: its folder and the folders above it must belong to
this user or to root, and nobody else may write them, except those above with the sticky bit (``/tmp``), where others
cannot rename what is not theirs. Folders are made with mode 0700 and files with 0600, whatever the umask is. Links,
pipes and devices in the folder are not opened.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from nacelle_cli.files import remove_leftovers, replacing
from torch_nacelle.errors import InputError

DEFAULT_SIZE = 4 * 2**30
"""Default of the bytes that the engine cache may hold."""

# Seconds to wait for another process that writes a file, and for one that builds the same engine.
_WAIT_FOR_WRITER = 10.0
_WAIT_FOR_BUILDER = 3600.0
_TELL_AFTER = 2.0

_MAGIC = b"torch_nacelle cache 1\n"

_logger = logging.getLogger("torch_nacelle")
_T = TypeVar("_T")


def cache_folder(given: "bool | str | os.PathLike[str]", kind: str) -> Path | None:
    """The folder of a cache.

    Args:
        given: The option: False for none, True for the user's own, or a folder, which is made if it is missing.
        kind: ``"timing"`` or ``"engines"``: the folder's name in the user's own cache.

    Returns:
        The folder, which may not exist; None for none. Without a home folder there is no user's own cache, which is a
        warning.

    Raises:
        InputError: The path is a file, or the user's own cache is asked for without platformdirs.
    """
    if given is False:
        return None
    if given is not True:
        folder = Path(given)
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file; a cache is a folder, with a file for each device and release in it")
        return folder
    try:
        import platformdirs
    except ImportError as error:
        raise InputError(
            "the user's own cache is found with the package platformdirs, which is not installed: pip install "
            "platformdirs, or name a folder"
        ) from error
    try:
        own = platformdirs.user_cache_path("torch_nacelle", appauthor=False)
    except RuntimeError:  # nothing tells a home folder: a container's user, often
        own = Path()
    if not own.is_absolute():
        _logger.warning(
            "no cache of %s is used: this user has no home folder; set HOME or XDG_CACHE_HOME, or name a folder", kind
        )
        return None
    return own / kind


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
            folder: The folder of the cache.
            device: The device's name and compute capability.
            release: The library that measures, with its release.
        """
        words = re.sub(r"[^A-Za-z0-9.]+", "_", f"{device} {release}").strip("_")
        self.path = folder / f"{words}.{key_of(device, release)[:8]}.timing"
        self._read = b""

    def read(self) -> bytes:
        """The times so far; empty if there are none."""
        self._read = _read_file(self.path) or b""
        return self._read

    def write(self, times: bytes) -> None:
        """Keeps the times for later builds.

        If another process has written meanwhile, the longer of the two files stays: only the builder can join them, and
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
            folder: The folder of the plans.
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
                os.utime(path, follow_symlinks=False)
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
        remove_leftovers(self.folder)
        plans = []
        for path in self.folder.glob("*.plan"):
            with contextlib.suppress(FileNotFoundError):  # another process evicts too
                status = path.lstat()
                plans.append((status.st_mtime_ns, path, status.st_size))
        total = sum(size for _, _, size in plans)
        for _, path, size in sorted(plans):
            if total <= self.size:
                break
            if path != newest:
                path.unlink(missing_ok=True)
                total -= size


def _attempt(what: str, action: Callable[[], _T], otherwise: _T) -> _T:
    """The result of the action; `otherwise`, with a warning, if the system refuses it."""
    try:
        return action()
    except OSError as error:
        _logger.warning("%s is not used: %s", what, error)
        return otherwise


def _read_file(path: Path) -> bytes | None:
    """The contents; None if there is no file, or it is damaged, which is a warning."""
    try:
        data = _contents(path)
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


def _contents(path: Path) -> bytes:
    """Reads a file of a folder that is trusted.

    Raises:
        OSError: There is no such file or folder, it is not trusted, or no regular file.
    """
    _check_trusted(path.parent)
    with open(_open_regular(path, os.O_RDONLY), "rb") as file:
        return file.read()


def _open_regular(path: Path, flags: int, mode: int = 0) -> int:
    """Opens a file that is no link, pipe or device, and that nobody else may write; returns its descriptor."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is no regular file; remove it")
        _check_owner(status, "it", 0o022)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_trusted(folder: Path) -> None:
    """Refuses a folder that another user could change, by itself or through a folder above it."""
    absolute = Path(os.path.realpath(folder))
    _check_owner(absolute.stat(), f"the folder {absolute}", 0o022)
    for above in absolute.parents:
        status = above.stat()
        _check_owner(status, f"the folder {above} above it", 0 if status.st_mode & stat.S_ISVTX else 0o022)


def _check_owner(status: os.stat_result, what: str, others: int) -> None:
    """Raises PermissionError if another user owns a file or folder, or if its mode has one of the bits `others`."""
    if status.st_uid not in (os.geteuid(), *_system_users()):
        raise PermissionError(
            f"{what} belongs to user {status.st_uid}, who could put any engine there; name a folder of your own"
        )
    if status.st_mode & others:
        raise PermissionError(
            f"{what} may be written by others (mode {stat.S_IMODE(status.st_mode):04o}), who could put any engine "
            "there; take that away with chmod go-w, or name another folder"
        )


def _system_users() -> list[int]:
    """Root; and in a sandbox that does not have it, the number that its files show there."""
    with contextlib.suppress(OSError, ValueError):
        ranges = [line.split() for line in Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()]
        if ranges and all(int(first) > 0 for first, _, _ in ranges):
            return [0, int(Path("/proc/sys/kernel/overflowuid").read_text(encoding="ascii"))]
    return [0]


def _make_folder(folder: Path) -> None:
    """Makes a folder and those above it, for this user alone; or checks that it is trusted."""
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    _check_trusted(missing[-1].parent)
    for one in reversed(missing):
        with contextlib.suppress(FileExistsError):
            one.mkdir(mode=0o700)
            one.chmod(0o700)  # the umask may have taken from it
    _check_trusted(folder)


def _write_file(path: Path, data: bytes) -> None:
    _make_folder(path.parent)
    with replacing(path, follow=False, mode=0o600) as temporary:
        temporary.write_bytes(_MAGIC + hashlib.sha256(data).digest() + data)


@contextlib.contextmanager
def _locked(path: Path, patience: float) -> Iterator[bool]:
    """Alone among processes and threads with `path`; not alone any more after `patience` seconds of waiting."""
    _make_folder(path.parent)
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
    descriptor = _open_regular(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.fchmod(descriptor, 0o600)  # the umask may have taken from it
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it may have removed the file: then the lock is on a file that nobody finds.
        if os.path.samestat(os.fstat(descriptor), os.lstat(lock)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
