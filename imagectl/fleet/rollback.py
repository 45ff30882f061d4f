"""The rollback file: what restores each image, on disk before the image is touched. And its reading back.

Owns how such a line looks, that it is durable when `add` returns, and what a crash may leave of it. Knows
nothing of what is sent.
"""

import errno
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from imagectl.errors import ImagectlError
from imagectl.fleet.newfile import Disk, NewFile
from imagectl.fleet.pool import THREADS, Threads
from imagectl.image import DELETABLE, Change
from imagectl.text import WHOLE, quote

OPTION = "--rollback-file"
# The first key of each line. By it a line that a crash cut off is known from a manifest that is damaged.
MARK = "Rollback"
_BEGINNING = f'{{"{MARK}": '
# Its value where the line takes the place of the one before: that one's update was turned away.
AGAIN = "again"


def entry(
    *, arn: str, region: str, profile: str | None, changes: Sequence[Change], again: bool
) -> dict[str, Any]:
    """The manifest entry that undoes `changes`, as long as the image is as they left it."""
    # What the image did not have is deleted again. A role can't be: nothing restores the lack of one.
    before = {
        change.name: change.before or None for change in changes if change.before or change.name in DELETABLE
    }
    identity = {
        MARK: AGAIN if again else True,
        "ImageArn": arn,
        "Region": region,
        **({"Profile": profile} if profile else {}),
    }
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


class RollbackFile:
    """A new file, private to its owner. `add` may be called from many threads."""

    def __init__(self, path: str, *, threads: Threads = THREADS, disk: Disk = os) -> None:
        """Make the file. Raises `usage` where it exists or can't be made; then there is none."""
        self._file = NewFile(OPTION, path, disk=disk)
        self._waiting: list[bytes] = []
        self._queue, self._writing = threads.lock(), threads.lock()
        self._broken: OSError | None = None  # why nothing can be written any more

    def add(self, entry: Mapping[str, Any]) -> None:
        """Return when the line is on disk. Raises `internal`, then and ever after, where it can't be.

        Lines of other threads that wait meanwhile go in one write and one fsync.
        """
        line = f"{json.dumps(entry)}\n".encode()
        with self._queue:
            self._waiting.append(line)
        with self._writing:
            # Until all is on disk: a thread that dies here takes the lines of others with it.
            broken, self._broken = self._broken, OSError(errno.EIO, "not written whole")
            with self._queue:
                lines, self._waiting = self._waiting, []
            try:
                if broken:
                    raise broken
                if lines:
                    self._file.write(b"".join(lines))
                    self._file.sync()
                self._broken = None
            except OSError as exc:
                self._broken = exc
                raise ImagectlError(
                    "internal",
                    f"the rollback file {quote(self._file.path, WHOLE)} could not be written: {exc.strerror}",
                    hint="nothing is sent that can't be rolled back",
                    outcome="not-applied",
                ) from exc

    def close(self) -> None:
        self._file.close()
