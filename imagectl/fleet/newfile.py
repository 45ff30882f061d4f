"""A new file for what a run leaves: private to its owner, never one that exists, its name on disk at once.

Knows nothing of what is written into it.
"""

import errno
import os
from contextlib import suppress
from typing import Protocol

from imagectl.errors import Problem, usage
from imagectl.text import WHOLE, quote


class Disk(Protocol):
    """What the file is written with: the module os, or what plays it."""

    def open(self, path: str, flags: int, mode: int = 0o777) -> int: ...

    def write(self, fd: int, data: memoryview, /) -> int: ...

    def fsync(self, fd: int) -> None: ...

    def close(self, fd: int) -> None: ...

    def unlink(self, path: str) -> None: ...


class NewFile:
    """The file. Its methods raise OSError where the disk does."""

    def __init__(self, option: str, path: str, *, disk: Disk = os) -> None:
        """Make it for `option`. Raises `usage` where it exists or can't be made; then there is none."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_APPEND | os.O_CLOEXEC
        self.path, self._disk = path, disk
        try:
            self._fd = disk.open(path, flags, 0o600)
        except OSError as exc:
            raise usage([Problem(option, _cannot(path, exc))]) from exc
        try:
            _sync_directory(path, disk)
        except OSError as exc:
            self.close()
            with suppress(OSError):
                disk.unlink(path)
            raise usage([Problem(option, _cannot(path, exc))]) from exc

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._disk.write(self._fd, view) :]

    def sync(self) -> None:
        """Return when all that was written is on disk."""
        self._disk.fsync(self._fd)

    def close(self) -> None:
        with suppress(OSError):  # what has to be on disk was synced
            self._disk.close(self._fd)


def problems(option: str, path: str) -> list[Problem]:
    """What is wrong with a path before any file is made."""
    if os.path.lexists(path):
        return [Problem(option, f"exists, and is never overwritten: {quote(path, WHOLE)}")]
    directory = os.path.dirname(path) or "."  # noqa: PTH120 - as typed, no Path needed
    if not os.access(directory, os.W_OK | os.X_OK):
        return [Problem(option, f"can't be made in {quote(directory, WHOLE)}")]
    return []


def _cannot(path: str, exc: OSError) -> str:
    if isinstance(exc, FileExistsError):
        return f"exists, and is never overwritten: {quote(path, WHOLE)}"
    return f"can't be made: {quote(path, WHOLE)} ({exc.strerror})"


def _sync_directory(path: str, disk: Disk) -> None:
    """A file whose name isn't on disk is lost with the machine, however well its lines are.

    Not every file system can be told so of a directory (CIFS, FUSE): those that say it can't are believed.
    """
    fd = disk.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)  # noqa: PTH120 - as typed, no Path needed
    try:
        disk.fsync(fd)
    except OSError as exc:
        if exc.errno not in {errno.EINVAL, errno.ENOSYS}:
            raise
    finally:
        disk.close(fd)
