"""Writes files whole or not at all; the commands and ``torch_nacelle`` write every file through this module.

A file is written under a temporary name in the folder of its destination, synced, and moved to the destination, whose
folder is synced then. Temporary names are ``.nacelle.`` with 16 digits for the destination and 8 random ones. A writer
holds a lock on its temporary file. So the next writer of the same destination can tell the files of killed writers from
those of living ones, and removes them. Writers of one destination do not wait for each other: the last move stays.

Imports neither torch nor anything of the command line.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

WAIT_FOR_READER = 10.0
"""Seconds that a writer waits for a process that opens a pipe for reading."""

_MAX_LINKS = 40  # as many as Linux follows
_BLOCK = 1 << 20
TEMPORARY = re.compile(r"\.nacelle\.[0-9a-f]{16}\.[0-9a-f]{8}")
_OPEN_FILES = re.compile(r"/proc/(\d+)(?:/task/\d+)?/fd")
_ACCESS_LIST = "system.posix_acl_access"
# The errors of a file system that cannot sync, or that keeps no such attributes.
_CANNOT = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EROFS)

# The temporary files that this process writes now.
_being_written: set[str] = set()

# The errors of writes alone.
_OF_WRITES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class _Destination:
    """A place to write to.

    Attributes:
        given: The path as the caller wrote it, for messages.
        path: The path with its links followed.
        status: The state of what is there; None if nothing is.
        descriptor: The open file of this process that `path` stands for (``/dev/stdout``), or None.
        is_stream: True for a device, a pipe or an open file: it is written in place, and cannot be replaced.
    """

    given: str
    path: str
    status: os.stat_result | None
    descriptor: int | None = None
    is_stream: bool = False

    @property
    def folder(self) -> str:
        """The folder that `path` is in."""
        return os.path.dirname(self.path) or "."


def check(path: str | os.PathLike[str]) -> None:
    """Raises OSError if `path` is nothing that can be written, such as a folder. Call it before long work.

    See ``replacing`` for the errors.
    """
    _locate(path)


def is_stream(path: str | os.PathLike[str]) -> bool:
    """True if `path` is a device, a pipe or an open file such as ``/dev/stdout``, perhaps through links."""
    try:
        return _locate(path).is_stream
    except OSError:
        return False


def is_standard_output(path: str | os.PathLike[str]) -> bool:
    """True if `path` is this process's standard output: ``/dev/stdout``, ``/dev/fd/1``, or a link to one of them."""
    try:
        return _locate(path).descriptor == 1
    except OSError:
        return False


@contextmanager
def replacing(path: str | os.PathLike[str], *, follow: bool = True, mode: int | None = None) -> Iterator[Path]:
    """Gives a file to write, which takes the place of `path` when the block ends well.

        with replacing("model.ts") as temporary:
            temporary.write_bytes(content)

    If the block raises, `path` is as it was and no temporary file remains. Links are followed: the link stays, and the
    file that it leads to is replaced. A file that is replaced keeps its permissions, its access list and its owner, as
    far as the system lets this process give them. A device, a pipe or an open file (``/dev/stdout``) is written in
    place when the block has ended well; a pipe must have a reader within ``WAIT_FOR_READER`` seconds.

    If `path` is the temporary file of another block that is under way in this process, it is given as it is, and the
    outer block syncs and moves it. So it must not be read meanwhile.

    Args:
        path: The destination.
        follow: False to replace `path` itself, even if it is a link, a pipe or a device: for folders of our own.
        mode: The file's permissions. Left out: those of the file that is replaced, else what the umask leaves.

    Raises:
        FileNotFoundError: There is no such folder, or `path` is empty.
        IsADirectoryError: `path` is a folder, or ends with a slash.
        OSError: The system refuses it; the message names the destination. If the last step, the folder's sync, fails,
            the new file is there and may not outlast a loss of power.
    """
    if (outer := os.fsdecode(path)) in _being_written:
        yield Path(outer)
        return
    destination = _locate(path, follow=follow)
    # A stream cannot be replaced: it gets its content from the folder for temporary files.
    folder = tempfile.gettempdir() if destination.is_stream else destination.folder
    prefix = temporary_prefix(destination.path if destination.is_stream else os.path.basename(destination.path))
    _remove_dead(folder, prefix)
    with _temporary(folder, prefix, destination.given) as (temporary, new_mode):
        yield temporary
        try:
            if destination.is_stream:
                _copy(temporary, destination)
            else:
                _move(temporary, destination, new_mode if mode is None else mode, keep=mode is None)
        except OSError as error:
            if error.errno is not None and error.filename is None:
                error.filename = destination.given
            raise


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes a text as UTF-8; see ``replacing``. Characters that UTF-8 cannot hold are written as escapes."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Removes the temporary files of killed writers from a folder, whichever destination they were for."""
    _remove_dead(os.fspath(folder), ".nacelle.")


def _locate(path: str | os.PathLike[str], *, follow: bool = True) -> _Destination:
    """Finds the destination that `path` leads to; see ``replacing`` for the errors."""
    given = os.fsdecode(path)
    if not given:
        raise FileNotFoundError("cannot write a file without a name: the path is empty")
    if "\0" in given:
        raise FileNotFoundError(f"cannot write {given!r}: a file's name cannot hold the byte 0")
    if given.endswith("/"):
        raise IsADirectoryError(f"cannot write {given}: a path that ends with / is a folder's; name a file in it")
    current = given
    for _ in range(_MAX_LINKS + 1):
        if follow and (found := _open_file(given, current)) is not None:
            return found
        status = _status(given, current)
        if status is None or not follow or not stat.S_ISLNK(status.st_mode):
            return _classified(given, current, status, follow)
        _check_link(given, current, status)
        current = os.path.join(os.path.dirname(current), os.readlink(current))
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), given)


def _status(given: str, path: str) -> os.stat_result | None:
    """The state of `path`, links not followed; None if there is nothing at `path`, but its folder exists."""
    try:
        return os.lstat(path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            error.filename = given
            raise
    folder = os.path.dirname(path) or "."
    led = "" if path == given else f"it is a link to {path}, and "
    if not os.path.exists(folder):
        raise FileNotFoundError(f"cannot write {given}: {led}there is no folder {folder}")
    if not os.path.isdir(folder):
        raise NotADirectoryError(f"cannot write {given}: {led}{folder} is no folder")
    return None


def _classified(given: str, path: str, status: os.stat_result | None, follow: bool) -> _Destination:
    mode = status.st_mode if status is not None else stat.S_IFREG
    led = "" if path == given else f"a link to {path}, "
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"cannot write {given}: it is {led}a folder; name a file in it")
    if stat.S_ISSOCK(mode) and follow:
        raise OSError(f"cannot write {given}: it is {led}a socket; name a file, a device or a pipe")
    return _Destination(given, path, status, is_stream=follow and not stat.S_ISREG(mode))


def _open_file(given: str, path: str) -> _Destination | None:
    """The open file that a name in ``/dev/fd`` or ``/proc/…/fd`` stands for; None for any other path."""
    name = os.path.basename(path)
    folder = _OPEN_FILES.fullmatch(os.path.realpath(os.path.dirname(path))) if name.isdecimal() else None
    if folder is None:
        return None
    own = int(folder[1]) == os.getpid()
    try:
        status = os.fstat(int(name)) if own else os.stat(path)
    except OSError as error:
        raise OSError(error.errno, f"cannot write: {error.strerror}", given) from None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(f"cannot write {given}: it is a folder; name a file in it")
    return _Destination(given, path, status, int(name) if own else None, is_stream=True)


def _check_link(given: str, link: str, status: os.stat_result) -> None:
    """Refuses a link that somebody else put into a folder that everybody may write, as Linux does (`/tmp`)."""
    folder = os.stat(os.path.dirname(link) or ".")
    open_to_all = folder.st_mode & stat.S_ISVTX and folder.st_mode & stat.S_IWOTH
    if open_to_all and status.st_uid not in (os.geteuid(), folder.st_uid):
        raise PermissionError(
            f"cannot write {given}: {link} is a link that user {status.st_uid} made in a folder that everybody may "
            "write; name the file that it leads to"
        )


def temporary_prefix(key: str) -> str:
    """The beginning of the names of a destination's temporary files; short even if the destination's name is long."""
    return f".nacelle.{hashlib.sha256(os.fsencode(key)).hexdigest()[:16]}."


@contextmanager
def _temporary(folder: str, prefix: str, given: str) -> Iterator[tuple[Path, int]]:
    """Makes a locked temporary file, and removes it unless it was moved; gives it and a new file's permissions."""
    try:
        path, descriptor, mode = _make(folder, prefix)
    except OSError as error:
        raise OSError(error.errno, error.strerror, given) from None
    _being_written.add(path)
    try:
        yield Path(path), mode
    except OSError as error:
        unnamed = error.filename is None and error.errno in _OF_WRITES
        if unnamed or error.filename in (path, os.fsencode(path)):
            error.filename, error.filename2 = given, None
        raise
    finally:
        _being_written.discard(path)
        with contextlib.suppress(OSError):
            os.unlink(path)
        os.close(descriptor)


def _make(folder: str, prefix: str) -> tuple[str, int, int]:
    """An empty file with a name of its own, locked: its path, its descriptor, and the mode that the umask leaves."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        path = os.path.join(folder, prefix + secrets.token_hex(4))
        try:
            descriptor = os.open(path, flags, 0o666)
        except FileExistsError:
            continue
        try:
            # The system has applied the umask, and the folder's access list if there is one. Nobody reads half a file.
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
            os.fchmod(descriptor, 0o600)
            with contextlib.suppress(OSError):  # a file system without locks: nobody can tell that we are dead, either
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink > 0:  # else another writer took it for a leftover before it was locked
                return path, descriptor, mode
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(path)
            os.close(descriptor)
            raise
        os.close(descriptor)


def _remove_dead(folder: str, prefix: str) -> None:
    """Removes temporary files that no living process holds."""
    try:
        names = os.listdir(folder)
    except OSError:  # a folder that may be written and not listed
        return
    for name in names:
        if name.startswith(prefix) and TEMPORARY.fullmatch(name):
            with contextlib.suppress(OSError):
                _remove_if_dead(os.path.join(folder, name))


def _remove_if_dead(path: str) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)
    finally:
        os.close(descriptor)


def _move(temporary: Path, destination: _Destination, mode: int, keep: bool) -> None:
    """Syncs a temporary file, gives it its permissions, and puts it at its destination."""
    descriptor = os.open(temporary, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        former = _former(destination) if keep else None
        if former is not None:
            mode = _keep_owner(descriptor, former)
        os.fchmod(descriptor, mode)
        if former is not None:
            _keep_access_list(descriptor, destination.path)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(temporary, destination.path)
    sync_folder(destination.folder, destination.given)


def _former(destination: _Destination) -> os.stat_result | None:
    """The state of the file that is replaced; None if there is none."""
    try:
        status = os.lstat(destination.path)
    except FileNotFoundError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _keep_owner(descriptor: int, former: os.stat_result) -> int:
    """Gives a file the owner and group of a former one, if the system lets us; returns the permissions to set."""
    mode = stat.S_IMODE(former.st_mode)
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) == (former.st_uid, former.st_gid):
        return mode
    for owner in (former.st_uid, -1):
        with contextlib.suppress(OSError):
            os.fchown(descriptor, owner, former.st_gid)
            break
    new = os.fstat(descriptor)
    if new.st_uid != former.st_uid:
        mode &= ~stat.S_ISUID
    if new.st_gid != former.st_gid:  # its group may do no more than everybody may: it is another one
        mode = mode & ~(stat.S_ISGID | stat.S_IRWXG) | (mode & stat.S_IRWXO) << 3
    return mode


def _keep_access_list(descriptor: int, former: str) -> None:
    with contextlib.suppress(OSError):
        os.setxattr(descriptor, _ACCESS_LIST, os.getxattr(former, _ACCESS_LIST))


def sync_folder(folder: str, given: str) -> None:
    """Syncs the folder that something was moved into; `given` is the destination for the message."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # a folder that may be written and not read
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT:
            reason = f"the file is written, and its folder cannot be synced: {error.strerror}"
            raise OSError(error.errno, reason, given) from None
    finally:
        os.close(descriptor)


def _copy(temporary: Path, destination: _Destination) -> None:
    """Writes the content of a temporary file to a device, a pipe or an open file."""
    descriptor = _open_stream(destination)
    try:
        with temporary.open("rb") as file:
            while block := file.read(_BLOCK):
                _write_all(descriptor, block)
        with contextlib.suppress(OSError):  # most streams cannot be synced
            os.fsync(descriptor)
    except BrokenPipeError:
        if destination.descriptor == 1:  # as for anything that is printed
            raise
        raise OSError(f"cannot write {destination.given}: its reader has closed it") from None
    except OSError as error:
        raise OSError(error.errno, error.strerror, destination.given) from None
    finally:
        os.close(descriptor)


def _open_stream(destination: _Destination) -> int:
    if destination.descriptor is not None:
        if destination.descriptor == 1 and sys.stdout is not None:
            sys.stdout.flush()
        return os.dup(destination.descriptor)
    end = time.monotonic() + WAIT_FOR_READER
    while True:
        try:
            # Without O_NONBLOCK the system would wait for a reader, or for a line's carrier, and not end.
            descriptor = os.open(destination.path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            os.set_blocking(descriptor, True)
            return descriptor
        except OSError as error:
            is_pipe = destination.status is not None and stat.S_ISFIFO(destination.status.st_mode)
            if error.errno != errno.ENXIO or not is_pipe:
                raise OSError(error.errno, error.strerror, destination.given) from None
        if time.monotonic() > end:
            raise OSError(
                f"cannot write {destination.given}: it is a pipe, and no process has opened it for reading in "
                f"{WAIT_FOR_READER:.0f} seconds; start the reader first"
            )
        time.sleep(0.02)


def _write_all(descriptor: int, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # the other holder of an open file made it non-blocking
            time.sleep(0.01)
