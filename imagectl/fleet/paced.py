"""One service at the pace that it admits: a call waits for its turn, and is repeated where it came too early.

Owns the paces, one per operation, and what is repeated. What the pace should be is rate.py's. Knows nothing
of plans.

Each operation has a pace of its own: where the service counts them apart, updates must not wait for a slow
ListImages, nor do their admissions say anything of it. Where it counts them together, the paces share what
there is, somewhat slower than a single one would be.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar

from imagectl.errors import ImagectlError
from imagectl.fleet.pool import Event, Threads
from imagectl.fleet.rate import Pace
from imagectl.image import Image, ImageUpdate, Page, Progress, Service
from imagectl.update import Clock

T = TypeVar("T")

_STARVED = 120.0  # seconds of throttles alone, however many threads ask: nothing at all is admitted
_LOOKS = 3  # throttles of one look among many: the next look is another chance


class Paced:
    """A service whose calls wait for their turn. Throttling slows reads down; it doesn't end them."""

    def __init__(self, service: Service, *, clock: Clock, threads: Threads) -> None:
        self.region, self.attempts = service.region, service.attempts
        self._service = service.once()
        self._clock = clock
        self._never = threads.event()  # reads are not stopped
        self._lanes = {
            operation: _Lane(clock, threads) for operation in ("ListImages", "DescribeImage", "UpdateImage")
        }

    def once(self) -> "Paced":
        return self

    def turn(self, stop: Event) -> bool:
        """Wait until an update may be sent; False where nothing is to be sent any more."""
        return self._lanes["UpdateImage"].turn(stop)

    @property
    def throttles(self) -> int:
        """How many updates in a row were turned away."""
        return self._lanes["UpdateImage"].throttles

    @property
    def is_starved(self) -> bool:
        """Whether no update is let through at all."""
        return self._lanes["UpdateImage"].starved >= _STARVED

    def update(self, update: ImageUpdate, progress: Progress) -> str:
        """Send one UpdateImage, once, whose turn it is."""
        return self._lanes["UpdateImage"].call(lambda: self._service.update(update, progress))

    def describe(self, name: str, *, within: float | None = None) -> Image:
        return self._read("DescribeImage", lambda: self._service.describe(name, within=within), within=within)

    def page(self, token: str | None = None, *, within: float | None = None, **filters: Any) -> Page:
        return self._read(
            "ListImages", lambda: self._service.page(token, within=within, **filters), within=within
        )

    def _read(self, operation: str, call: Callable[[], T], *, within: float | None) -> T:
        lane, tries, throttles = self._lanes[operation], 0, 0
        until = math.inf if within is None else self._clock.now() + within
        while True:
            if not lane.turn(self._never, until):
                raise ImagectlError(
                    "transient",
                    "Rate exceeded: no turn came in time",
                    code="ThrottlingException",
                    operation=operation,
                    region=self.region,
                )
            try:
                return lane.call(call)
            except ImagectlError as error:
                if error.is_throttle:
                    throttles += 1
                    if lane.starved >= _STARVED or (within and throttles >= _LOOKS):
                        raise
                    continue
                tries += 1
                if error.kind != "transient" or within or tries >= self.attempts:
                    raise
            self._clock.pause(backoff(tries))


def backoff(tries: int) -> float:
    """Seconds to wait after so many failures that say nothing of the rate."""
    return min(0.2 * 4.0**tries, 10.0)


class _Lane:
    """One operation's turn-taking."""

    def __init__(self, clock: Clock, threads: Threads) -> None:
        self._clock, self._pace = clock, Pace()
        self._turn, self._lock = threads.lock(), threads.lock()
        self.throttles = 0  # in a row
        self.starved = 0.0  # seconds that the row takes by now
        self._since = 0.0  # when it began

    def turn(self, stop: Event, until: float = math.inf) -> bool:
        """Wait until a request may go; False where `stop` came first, or it may not by the time `until`."""
        with self._turn:
            while not stop.is_set():
                with self._lock:
                    now = self._clock.now()
                    delay = self._pace.delay(now)
                    if not delay:
                        self._pace.sent(now)
                        return True
                if now + delay > until:
                    return False
                stop.wait(delay)
        return False

    def call(self, call: Callable[[], T]) -> T:
        """Make a call whose turn it is; what comes of it sets the pace."""
        sent = self._clock.now()
        try:
            reply = call()
        except ImagectlError as error:
            if error.is_throttle:
                self._answered(sent, throttled=True)
            elif error.http_status:  # else nobody answered, which says nothing of the rate
                self._answered(sent, throttled=False)
            raise
        self._answered(sent, throttled=False)
        return reply

    def _answered(self, sent: float, *, throttled: bool) -> None:
        with self._lock:
            now = self._clock.now()
            self.throttles = self.throttles + 1 if throttled else 0
            if self.throttles <= 1:
                self._since = now
            self.starved = now - self._since
            if throttled:
                self._pace.throttled(sent, now)
            else:
                self._pace.admitted(now)
