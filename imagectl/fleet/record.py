"""The record of a run: JSON Lines to be kept, as a change ticket wants it.

The first line says what was run, then one line an image what came of it, the last line what it comes to. A
line is in the file when `add` returns, so that a kill takes none of it; all of it is on disk when the run
ends. Of a run that was killed, an image with a line here is as that says; one that has only a rollback line
was about to be updated or was being updated; one that has neither was not touched.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

from imagectl import __version__
from imagectl.errors import ImagectlError, Terminated
from imagectl.fleet.newfile import Disk, NewFile
from imagectl.fleet.tally import Tally
from imagectl.image import Outcome
from imagectl.text import WHOLE, quote

OPTION = "--record"
Now = Callable[[], datetime]


def wall_clock() -> datetime:
    return datetime.now(UTC)


class About(NamedTuple):
    """What is recorded of a run as a whole."""

    sha256: str  # of the manifest
    shard: str
    dry_run: bool
    images: int


class Record:
    """What a run writes down, where it was asked to."""

    def __init__(self, file: NewFile | None, about: About, now: Now) -> None:
        self._file, self._about, self._now = file, about, now
        self._tally = Tally(about.images)

    def begin(self) -> None:
        about = self._about
        what = {"ManifestSha256": about.sha256, "Shard": about.shard, "DryRun": about.dry_run}
        self._line({"Run": {"Time": self._time(), "Version": __version__, **what, "Images": about.images}})

    def add(self, outcome: Outcome) -> None:
        """Write what came of an image. Raises `internal` where it can't be written."""
        self._tally.add(outcome)
        self._line(outcome.as_json())

    def end(self, error: ImagectlError | None) -> None:
        """Write what it comes to, and have all of it on disk."""
        counts = {what: count for what, count in self._tally.counts.items() if count}
        summary = {"Time": self._time(), "Images": self._about.images, "Counts": counts}
        self._line({"Summary": {**summary, **({"Error": error.as_json()} if error else {})}}, sync=True)

    def _time(self) -> str:
        return self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _line(self, data: Mapping[str, Any], *, sync: bool = False) -> None:
        if self._file is None:
            return
        try:
            self._file.write(f"{json.dumps(data)}\n".encode())
            if sync:
                self._file.sync()
        except OSError as exc:
            message = f"the record {quote(self._file.path, WHOLE)} could not be written: {exc.strerror}"
            raise ImagectlError("internal", message) from exc


@contextmanager
def recorded(path: str | None, about: About, *, now: Now = wall_clock, disk: Disk = os) -> Iterator[Record]:
    """The record of what is done within, in a new file. Raises `usage` where that can't be made."""
    file = NewFile(OPTION, path, disk=disk) if path is not None else None
    record = Record(file, about, now)
    try:
        record.begin()
        yield record
    except (ImagectlError, KeyboardInterrupt) as stopped:
        with suppress(ImagectlError):  # what stopped it is what there is to tell
            record.end(_as_error(stopped))
        raise
    else:
        record.end(None)
    finally:
        if file:
            file.close()


def _as_error(stopped: ImagectlError | KeyboardInterrupt) -> ImagectlError:
    if isinstance(stopped, ImagectlError):
        return stopped
    kind = "terminated" if isinstance(stopped, Terminated) else "interrupted"
    return ImagectlError(kind, kind)  # type: ignore[arg-type]
