"""Writes folders whole or not at all, as ``files`` writes files; their temporary names and locks are the same.

Imports neither torch nor anything of the command line.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nacelle_cli import files


@contextmanager
def replacing(path: str | os.PathLike[str], *, replace: bool) -> Iterator[Path]:
    """Gives an empty folder to fill, which becomes `path` when the block ends well.

    The folder that `path` is in may be watched by a program that takes every folder in it for one of its own, so the
    temporary folder is made beside that one, if the system allows it there. Its files are not synced: write them
    with ``files.replacing``. If the block raises, `path` is as it was and no temporary folder remains.

    Args:
        path: The destination; the folder that it is in must exist.
        replace: True to replace a folder that is there.

    Raises:
        FileExistsError: There is something at `path`, and `replace` is False or it is no folder.
        OSError: The system refuses it; the message names the destination.
    """
    given = os.fsdecode(path)
    destination = os.path.abspath(given)
    with _temporary_folder(destination, given) as temporary:
        content = os.path.join(temporary, "content")
        os.mkdir(content)
        try:
            yield Path(content)
        except OSError as error:
            if isinstance(error.filename, str) and error.filename.startswith(content):
                error.filename, error.filename2 = given, None
            raise
        former = os.path.join(temporary, "former")
        if replace and os.path.isdir(destination) and not os.path.islink(destination):
            os.rename(destination, former)
        elif os.path.lexists(destination):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), given)
        try:
            os.rename(content, destination)
        except OSError as error:
            if os.path.isdir(former):
                os.rename(former, destination)
            raise OSError(error.errno, error.strerror, given) from None
        files.sync_folder(os.path.dirname(destination), given)


@contextmanager
def _temporary_folder(destination: str, given: str) -> Iterator[str]:
    """Makes a locked temporary folder on the file system of a destination, and removes it with all that is in it."""
    prefix = files.temporary_prefix(destination)
    parent = os.path.dirname(destination)
    beside = os.path.dirname(parent)
    places = [beside, parent] if os.stat(beside).st_dev == os.stat(parent).st_dev else [parent]
    for place in places:
        _remove_dead_folders(place, prefix)
    while True:
        place = places[0]
        temporary = os.path.join(place, prefix + secrets.token_hex(4))
        try:
            os.mkdir(temporary)
            break
        except FileExistsError:
            continue
        except OSError as error:
            if len(places) == 1:
                raise OSError(error.errno, error.strerror, given) from None
            places.pop(0)
    descriptor = os.open(temporary, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(descriptor)


def _remove_dead_folders(place: str, prefix: str) -> None:
    """Removes the temporary folders of killed writers of a destination."""
    try:
        names = os.listdir(place)
    except OSError:
        return
    for name in names:
        if not name.startswith(prefix) or not files.TEMPORARY.fullmatch(name):
            continue
        with contextlib.suppress(OSError):
            path = os.path.join(place, name)
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(descriptor)
