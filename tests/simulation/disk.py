"""The disk as one process sees it: what it wrote, what of that would survive, and what may fail.

Stands in for the `os` module where a rollback file is made and written.
"""

import errno
import os
from collections.abc import Callable
from typing import NamedTuple


class _Written(NamedTuple):
    """A file: all that was written, how much of that is synced."""

    data: bytearray
    synced: list[int]
    named: list[bool]  # whether its name is synced


class Disk:
    """`count` is told each operation, and says what fails of it."""

    O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW = os.O_WRONLY, os.O_CREAT, os.O_EXCL, os.O_NOFOLLOW
    O_APPEND, O_CLOEXEC, O_RDONLY, O_DIRECTORY = os.O_APPEND, os.O_CLOEXEC, os.O_RDONLY, os.O_DIRECTORY

    def __init__(self, count: Callable[[str], str], step: Callable[[], None]) -> None:
        self._count, self._step = count, step
        self._files: dict[str, _Written] = {}
        self._open: dict[int, _Written | None] = {}  # None: the directory

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        self._step()
        fd = len(self._open) + 3
        if flags & os.O_DIRECTORY:
            self._open[fd] = None
            return fd
        failure = self._count("open")
        if path in self._files:
            raise _os_error(errno.EEXIST)
        if failure:
            raise _os_error(errno.EACCES)
        self._open[fd] = self._files[path] = _Written(bytearray(), [0], [False])
        return fd

    def write(self, fd: int, data: "bytes | memoryview[int]") -> int:
        self._step()
        file = self._file(fd)
        failure = self._count("write")
        if failure in {"full", "write fails"}:
            raise _os_error(errno.ENOSPC if failure == "full" else errno.EIO)
        written = bytes(data)
        if failure == "short write":
            written = written[: max(1, len(written) // 2)]
        file.data.extend(written)
        return len(written)

    def fsync(self, fd: int) -> None:
        self._step()
        file = self._open[fd]
        failure = self._count("sync of a directory" if file is None else "sync")
        if file is None:  # where it can't be done, it needn't be
            for each in self._files.values():
                each.named[0] = True
        elif not failure:
            file.synced[0] = len(file.data)
        if failure:
            raise _os_error(errno.EINVAL if file is None else errno.EIO)

    def close(self, fd: int) -> None:
        self._open.pop(fd, None)

    def unlink(self, path: str) -> None:
        self._step()
        if self._files.pop(path, None) is None:
            raise _os_error(errno.ENOENT)

    def _file(self, fd: int) -> _Written:
        file = self._open[fd]
        assert file is not None
        return file

    # What is there afterwards.

    def read(self, path: str) -> bytes | None:
        file = self._files.get(path)
        return bytes(file.data) if file else None

    def synced(self, path: str) -> bytes:
        """What of a file is there whatever happens."""
        file = self._files.get(path)
        return bytes(file.data[: file.synced[0]]) if file and file.named[0] else b""

    def lose_power(self, torn: float) -> None:
        """Only what was synced is still there, and maybe a part of the rest."""
        for path, file in list(self._files.items()):
            if not file.named[0]:
                del self._files[path]
            else:
                del file.data[file.synced[0] + int((len(file.data) - file.synced[0]) * torn) :]


def _os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
