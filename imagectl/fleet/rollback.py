"""The rollback file: what restores each image, on disk before the image is touched. And its reading back.

Owns how such a line looks, that it is durable when `add` returns, and what a crash may leave of it. Knows
nothing of what is sent.
"""

import errno
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from imagectl.errors import ImagectlError, Problem, usage
from imagectl.fleet.pool import THREADS, Threads
from imagectl.image import DELETABLE, Change
from imagectl.text import quote

# The first key of each line. By it a line that a crash cut off is known from a manifest that is damaged.
MARK = "Rollback"
_BEGINNING = f'{{"{MARK}": true, '


def entry(*, arn: str, region: str, profile: str | None, changes: Sequence[Change]) -> dict[str, Any]:
    """The manifest entry that undoes `changes`, as long as the image is as they left it."""
    # What the image did not have is deleted again. A role can't be: nothing restores the lack of one.
    before = {
        change.name: change.before or None for change in changes if change.before or change.name in DELETABLE
    }
    identity = {MARK: True, "ImageArn": arn, "Region": region, **({"Profile": profile} if profile else {})}
    return {**identity, **before, "Expected": {change.name: change.after for change in changes}}


def is_torn(head: str, tail: str) -> bool:
    """Whether `tail`, a last line without its end, is what a crash left of a line of ours.

    Then its request was never sent: it would have waited for the whole line. A crash of the machine
    may also leave NULs in place of text that had not reached the disk. `head` is the lines before it.
    """
    if not tail or not (tail.startswith(_BEGINNING) or head.startswith(_BEGINNING)):
        return False
    try:
        json.loads(tail)
    except ValueError:
        return True
    return False


class Disk(Protocol):
    """What the file is written with: the module os, or what plays it."""

    def open(self, path: str, flags: int, mode: int = 0o777) -> int: ...

    def write(self, fd: int, data: memoryview, /) -> int: ...

    def fsync(self, fd: int) -> None: ...

    def close(self, fd: int) -> None: ...

    def unlink(self, path: str) -> None: ...


class RollbackFile:
    """A new file, private to its owner. `add` may be called from many threads."""

    def __init__(self, path: str, *, threads: Threads = THREADS, disk: Disk = os) -> None:
        """Make the file. Raises `usage` where it exists or can't be made; then there is none."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_APPEND | os.O_CLOEXEC
        self.path, self._disk = path, disk
        try:
            self._fd = disk.open(path, flags, 0o600)
        except OSError as exc:
            raise usage([Problem("--rollback-file", _cannot(path, exc))]) from exc
        try:
            _sync_directory(path, disk)
        except OSError as exc:
            with suppress(OSError):
                disk.close(self._fd)
            with suppress(OSError):
                disk.unlink(path)
            raise usage([Problem("--rollback-file", _cannot(path, exc))]) from exc
        self._waiting: list[bytes] = []
        self._queue, self._writing = threads.lock(), threads.lock()
        self._broken: OSError | None = None

    def add(self, entry: Mapping[str, Any]) -> None:
        """Return when the line is on disk. Raises `internal`, then and ever after, where it can't be.

        Lines of other threads that wait meanwhile go in one write and one fsync.
        """
        line = f"{json.dumps(entry)}\n".encode()
        with self._queue:
            self._waiting.append(line)
        with self._writing:
            with self._queue:
                lines, self._waiting = self._waiting, []
            try:
                if self._broken:
                    raise self._broken
                if lines:
                    self._write(b"".join(lines))
            except OSError as exc:
                self._broken = exc
                raise ImagectlError(
                    "internal",
                    f"the rollback file {quote(self.path)} could not be written: {exc.strerror}",
                    hint="nothing is sent that can't be rolled back",
                    outcome="not-applied",
                ) from exc

    def close(self) -> None:
        with suppress(OSError):  # each line was on disk when `add` returned
            self._disk.close(self._fd)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._disk.write(self._fd, view) :]
        self._disk.fsync(self._fd)


def problems(path: str) -> list[Problem]:
    """What is wrong with a path before any file is made."""
    if os.path.lexists(path):
        return [Problem("--rollback-file", f"exists, and is never overwritten: {quote(path)}")]
    directory = os.path.dirname(path) or "."  # noqa: PTH120 - as typed, no Path needed
    if not os.access(directory, os.W_OK | os.X_OK):
        return [Problem("--rollback-file", f"can't be made in {quote(directory)}")]
    return []


def _cannot(path: str, exc: OSError) -> str:
    if isinstance(exc, FileExistsError):
        return f"exists, and is never overwritten: {quote(path)}"
    return f"can't be made: {quote(path)} ({exc.strerror})"


def _sync_directory(path: str, disk: Disk) -> None:
    """A file whose name isn't on disk is lost with the machine, however well its lines are.

    Not every file system can be told so of a directory (CIFS, FUSE): those that say it can't are believed.
    """
    fd = disk.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)  # noqa: PTH120
    try:
        disk.fsync(fd)
    except OSError as exc:
        if exc.errno not in {errno.EINVAL, errno.ENOSYS}:
            raise
    finally:
        disk.close(fd)
