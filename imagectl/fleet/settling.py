"""Many images: waiting until each is settled, with few looks. What "settled" means is update.py's.

One thread per service looks, at all images that wait there at once: by ListImages where a page of it says
more than single looks would. Knows nothing of sending, and prints nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from imagectl.errors import ImagectlError
from imagectl.fleet.pool import Event, Lock, Threads
from imagectl.image import PAGE, Image, ImageUpdate, Service
from imagectl.update import PASSING, Clock, accepted_but, is_settled, look, pending


@dataclass(slots=True)
class Waiting:
    """An image whose update was accepted at `since`. `done` is called once: with its error, if it has one."""

    update: ImageUpdate
    before: Image
    done: Callable[[ImagectlError | None, bool], None]  # the bool: whether it was seen settled
    since: float
    status: str = ""


@dataclass(slots=True)
class Watcher:
    """The images of one service that wait. `listed` is how many images it has in all."""

    service: Service
    listed: int
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
            runs, self._running = self._running, True
        if not runs and not self.threads.start(self._watch):
            self._watch()

    def _watch(self) -> None:
        while True:
            with self._lock:
                batch = dict(self._waiting)
                if not batch:
                    self._running = False
                    return
            if self.leave.is_set():
                for name, one in batch.items():
                    self._finish(name, one, None, settled=False)
                continue
            started = self.clock.now()
            try:
                self._look(batch)
            except ImagectlError as failure:
                if failure.kind not in PASSING:
                    self._give_up(batch, failure)
            except Exception as bug:  # noqa: BLE001 - a thread that dies silently would be waited for forever
                self._give_up(batch, ImagectlError("internal", f"unexpected {type(bug).__name__}: {bug}"))
            now = self.clock.now()
            for name, one in batch.items():
                if name in self._waiting and now - one.since >= self.timeout:
                    late = pending(one.update, self.service.region, self.timeout, one.status)
                    self._finish(name, one, late, settled=False)
            youngest = now - max(one.since for one in batch.values())
            delay = 0.4 if youngest < 2 else 1.5 if youngest < 120 else 5.0
            # A sweep of many pages takes its time: then looking is half of the time, not all of it.
            self.leave.wait(self.clock.jittered(max(delay, now - started)))

    def _look(self, batch: dict[str, Waiting]) -> None:
        for name, image in self._read(batch):
            one = batch[name]
            one.status = image.status
            try:
                waited = self.clock.now() - one.since
                if is_settled(image, one.update, self.service.region, before=one.before, waited=waited):
                    self._finish(name, one, None, settled=True)
            except ImagectlError as failed:
                self._finish(name, one, failed, settled=False)

    def _read(self, batch: dict[str, Waiting]) -> Iterator[tuple[str, Image]]:
        """How the images are now, in as few calls as will do. ListImages doesn't tell the role."""
        oldest = self.clock.now() - min(one.since for one in batch.values())
        within = look(self.timeout - oldest)
        if len(batch) * PAGE <= self.listed:
            singly = list(batch)
        else:
            singly = []
            for image in self.service.list(within=within):
                name = image.name
                if name in batch and "RoleArn" in batch[name].update.wanted and image.status == "CREATED":
                    singly.append(name)
                elif name in batch:
                    yield name, image
        for name in singly:
            yield name, self.service.describe(batch[name].update.name, within=within)

    def _give_up(self, batch: dict[str, Waiting], failure: ImagectlError) -> None:
        for name, one in batch.items():
            if name in self._waiting:
                told = accepted_but(failure, one.update)
                self._finish(name, one, told.but(image_name=one.update.name), settled=False)

    def _finish(self, name: str, one: Waiting, error: ImagectlError | None, *, settled: bool) -> None:
        with self._lock:
            del self._waiting[name]
        one.done(error, settled)
