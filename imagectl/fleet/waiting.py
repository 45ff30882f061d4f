"""The verb behind `imagectl wait` with several images: one thread, few calls.

How they are looked at is settling.py's. What each came to is told at once, and at the end their sum.
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from imagectl.errors import ImagectlError
from imagectl.fleet.pool import THREADS, Threads
from imagectl.fleet.settling import Waiting, Watcher
from imagectl.fleet.tally import images_in_words
from imagectl.image import Image, ImageUpdate, Progress, Service
from imagectl.update import Clock, Judge

_FEW = 10  # images that are looked at one by one: that takes no right to list, and not all of a long list


class Face(Protocol):
    """Where results and failures are told."""

    def settled(self, image: Image, *, one_of_many: bool) -> None: ...

    def error(self, error: ImagectlError) -> None: ...

    def spinner(self, text: str, *, on: bool) -> AbstractContextManager[Callable[[str], None]]: ...


def wait(
    images: Sequence[tuple[Service, Sequence[str]]],
    resume: Callable[[Sequence[str]], str],
    face: Face,
    progress: Progress,
    *,
    timeout: float,
    clock: Clock,
    threads: Threads = THREADS,
) -> int:
    """Wait until every image is settled. Returns 0; raises `partial`, or `pending` if some are only late.

    `resume` makes the command that goes on waiting for the names that it is given.
    """
    summed = _Sum([name for _, names in images for name in names], resume, face, progress)
    watchers, start = [], clock.now()
    for service, names in images:
        listed = sys.maxsize if len(names) <= _FEW else 0
        watcher = Watcher(service, listed, timeout, clock, threads, threads.event())
        watchers.append(watcher)
        for name in names:
            watcher.expect(_waiting(name, service, start, summed.add))
    with face.spinner(images_in_words(summed.total), on=True) as watch:
        while pauses := [pause for watcher in watchers if (pause := watcher.round()) is not None]:
            if summed.left:
                watch(f"{len(summed.left)} not settled")
            clock.pause(min(pauses))
    summed.end()
    return 0


class _Sum:
    """What the images came to; tells each, and what is known if a signal comes."""

    def __init__(
        self,
        names: list[str],
        resume: Callable[[Sequence[str]], str],
        face: Face,
        progress: Progress,
    ) -> None:
        self.left, self.total = names, len(names)
        self._late: list[str] = []
        self._failed = 0
        self._resume, self._face, self._progress = resume, face, progress
        self._tell()

    def add(self, waiting: Waiting, error: ImagectlError | None) -> None:
        name = waiting.update.name
        self.left.remove(name)
        if error is None:
            if waiting.judge.seen:
                self._face.settled(waiting.judge.seen, one_of_many=True)
        elif error.kind == "access" and not error.is_denied:
            raise error  # of all images, not of this one
        else:
            self._face.error(error.but(image_name=name))
            if error.kind == "pending":
                self._late.append(name)
            else:
                self._failed += 1
        self._tell()

    def _tell(self) -> None:
        self._progress.known = (
            f"{self.total - len(self.left)} of {images_in_words(self.total)} settled or failed"
        )
        self._progress.resume = self._resume([*self._late, *self.left])

    def end(self) -> None:
        late = f"{len(self._late)} not settled in time" if self._late else ""
        if self._failed:
            message = f"{self._failed} of {images_in_words(self.total)} failed"
            raise ImagectlError("partial", f"{message}, {late}" if late else message)
        if late:
            message = f"{len(self._late)} of {images_in_words(self.total)} not settled in time"
            hint = f"to go on waiting:\n{self._progress.resume}"
            raise ImagectlError("pending", message, hint=hint)


def _waiting(
    name: str, service: Service, since: float, done: Callable[[Waiting, ImagectlError | None], None]
) -> Waiting:
    update = ImageUpdate(name, {})
    waiting = Waiting(update, lambda error, _: done(waiting, error), since, Judge(update, service.region))
    return waiting
