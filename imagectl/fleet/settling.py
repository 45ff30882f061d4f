"""Many images: waiting until each is settled, with few looks. What "settled" means is update.py's.

One thread per service looks, at all images that wait there at once: by ListImages where a page of it says
more than single looks would. Knows nothing of sending, and prints nothing.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from imagectl.errors import ImagectlError
from imagectl.fleet.pool import Event, Lock, Threads
from imagectl.image import LOOK, MOVING, PAGE, Image, ImageUpdate, Service, all_images
from imagectl.update import PASSING, Clock, Judge, accepted_but, pause_after, pending, time_to_look

Read = Image | ImagectlError  # an image as it is, or why it was not seen


@dataclass(slots=True, eq=False)
class Waiting:
    """An image whose update was accepted at `since`. `done` is called once: with its error, if it has one."""

    update: ImageUpdate
    done: Callable[[ImagectlError | None, bool], None]  # the bool: whether it was seen settled
    since: float
    judge: Judge
    trouble: ImagectlError | None = None  # why a later look saw nothing
    told: bool = False


@dataclass(slots=True)
class Watcher:
    """The images of one service that wait. `size` is how many images it has in all, as far as is known."""

    service: Service
    size: int
    timeout: float
    clock: Clock
    threads: Threads
    leave: Event  # nobody wants to wait any longer
    _waiting: dict[str, Waiting] = field(init=False, default_factory=dict)
    _lock: Lock = field(init=False)
    _running: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._lock = self.threads.lock()

    def add(self, waiting: Waiting) -> None:
        """Watch one more, from any thread: that one itself watches where no other can be had."""
        with self._lock:
            self._waiting[waiting.update.name] = waiting
            runs = self._running
        if not runs and not self.threads.start(self._watch):
            self._watch()

    def expect(self, waiting: Waiting) -> None:
        """Have one more looked at by `round`."""
        with self._lock:
            self._waiting[waiting.update.name] = waiting

    def waiting(self) -> list[Waiting]:
        with self._lock:
            return list(self._waiting.values())

    def release(self) -> None:
        """Wait no longer: what was accepted is told as that."""
        for one in self.waiting():
            self._finish(one, None)

    def expire(self, grace: float = 0.0) -> None:
        """Tell those whose time ran out `grace` seconds ago or before."""
        now = self.clock.now()
        for one in self.waiting():
            if now - one.since < self.timeout + grace:
                continue
            if one.judge.has_settled:  # whoever saw it died before it was told
                self._finish(one, None, settled=True)
            else:
                late = pending(one.update, self.service.region, self.timeout, one.judge.seen, one.trouble)
                self._finish(one, late)

    def _watch(self) -> None:
        try:
            with self._lock:
                if self._running:
                    return
                self._running = True
            while (pause := self.round()) is not None:
                self.leave.wait(self.clock.jittered(pause))
        except BaseException as bug:
            with self._lock:
                self._running = False
            if not isinstance(bug, Exception):
                raise
            # A bug of ours, told with the images that it leaves.
            failure = ImagectlError("internal", f"unexpected {type(bug).__name__}: {bug}")
            for one in self.waiting():
                self._finish(one, accepted_but(failure, one.update))

    def round(self) -> float | None:
        """Look once at all that wait. The seconds until the next round; None where nothing waits any more."""
        started = self.clock.now()
        if self.leave.is_set():
            self.release()
        elif batch := {one.update.name: one for one in self.waiting()}:
            self._look(batch)
            self.expire()
        now = self.clock.now()
        with self._lock:
            self._running = bool(self._waiting)
            if not self._running:
                return None
            since = [one.since for one in self._waiting.values()]
        # A sweep of many pages takes its time: then looking is half of the time, not all of it.
        pause = max(pause_after(now - max(since)), now - started)
        return min(pause, max(self.timeout - (now - min(since)), pause_after(0)))

    def _look(self, batch: dict[str, Waiting]) -> None:
        time = _Time.of(batch.values(), self.timeout, self.clock)
        for name, read in self._read(batch, time):
            one = batch[name]
            if isinstance(read, Image):
                self._judge(one, read, time.asked)
            elif read.kind in PASSING:
                one.trouble = read
            else:
                self._finish(one, accepted_but(read, one.update))
            if self.leave.is_set():
                return

    def _judge(self, one: Waiting, image: Image, asked: float) -> None:
        one.trouble = None
        try:
            if one.judge.is_settled(image, asked - one.since):
                self._finish(one, None, settled=True)
        except ImagectlError as failed:
            self._finish(one, failed)

    def _read(self, batch: dict[str, Waiting], time: "_Time") -> Iterator[tuple[str, Read]]:
        """How the images are now, in as few calls as will do; a failure is that of the images it concerns."""
        singly = dict(batch)
        if len(batch) * PAGE > self.size:
            count = 0
            try:
                for count, image in enumerate(all_images(self.service, time.left), 1):  # noqa: B007 - the last one's
                    one = batch.get(image.name)
                    if one is None or ("RoleArn" in one.update.wanted and image.status not in MOVING):
                        continue  # the role isn't listed
                    singly.pop(image.name, None)
                    yield image.name, image
            except ImagectlError as failure:
                if not failure.is_denied:
                    yield from ((name, failure) for name in singly)
                    return
                count = sys.maxsize  # who may not list can still look at each
            self.size = count
        for name in singly:
            yield name, self._describe(name, time)

    def _describe(self, name: str, time: "_Time") -> Read:
        try:
            return self.service.describe(name, within=time.left())
        except ImagectlError as failure:
            if failure.kind in PASSING:
                time.last = time.first
            return failure

    def _finish(self, one: Waiting, error: ImagectlError | None, *, settled: bool = False) -> None:
        with self._lock:
            if one.told:
                return
            one.told = True
        try:
            one.done(error, settled)
        finally:
            with self._lock:  # only now: at every moment an image is either waiting here or reported
                del self._waiting[one.update.name]


@dataclass(slots=True)
class _Time:
    """The time that one round has, whatever the service does.

    As long as it answers, the round goes on until nobody waits any more, and for ten seconds at least: each
    image is to be looked at once. Where it doesn't, the round ends with the wait that ends `first`.
    """

    first: float
    last: float
    clock: Clock
    asked: float = 0.0  # when the last look was asked for: what it shows is no newer than that

    @classmethod
    def of(cls, batch: Iterable[Waiting], timeout: float, clock: Clock) -> "_Time":
        ends = [one.since + timeout for one in batch]
        return cls(min(ends), max(*ends, clock.now() + LOOK), clock)

    def left(self) -> float:
        """How many seconds the next look may take. Raises `transient` where there is no time for one."""
        self.asked = now = self.clock.now()
        if now >= self.last:
            raise ImagectlError("transient", "there was no time for it")
        return time_to_look(self.first - now)
