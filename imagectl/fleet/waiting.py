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
    left = [name for _, names in images for name in names]
    total, failed, late = len(left), 0, list[str]()

    def still() -> None:
        progress.known = f"{total - len(left)} of {images_in_words(total)} settled or failed"
        progress.resume = resume([*late, *left])

    def done(waiting: Waiting, error: ImagectlError | None) -> None:
        nonlocal failed
        left.remove(waiting.update.name)
        if error is None:
            if waiting.seen:
                face.settled(waiting.seen, one_of_many=True)
        elif error.kind == "access" and not (error.code or "").startswith("AccessDenied"):
            raise error  # of all images, not of this one
        else:
            face.error(error.but(image_name=waiting.update.name))
            if error.kind == "pending":
                late.append(waiting.update.name)
            else:
                failed += 1
        still()

    watchers, start = [], clock.now()
    for service, names in images:
        listed = sys.maxsize if len(names) <= _FEW else 0
        watchers.append(Watcher(service, listed, timeout, clock, threads, threads.event()))
        for name in names:
            watchers[-1].expect(_waiting(name, service, start, done))
    still()
    with face.spinner(images_in_words(total), on=True) as watch:
        while pauses := [pause for watcher in watchers if (pause := watcher.round()) is not None]:
            if left:
                watch(f"{len(left)} not settled")
            clock.pause(min(*pauses, max(timeout - (clock.now() - start), 0.05)))
    if failed:
        more = f", {len(late)} not settled in time" if late else ""
        raise ImagectlError("partial", f"{failed} of {images_in_words(total)} failed{more}")
    if late:
        raise ImagectlError(
            "pending",
            f"{len(late)} of {images_in_words(total)} not settled in time",
            hint=f"to go on waiting:\n{progress.resume}",
        )
    return 0


def _waiting(
    name: str, service: Service, since: float, done: Callable[[Waiting, ImagectlError | None], None]
) -> Waiting:
    update = ImageUpdate(name, {})
    waiting = Waiting(update, lambda error, _: done(waiting, error), since, Judge(update, service.region))
    return waiting
