"""One image of many, sent: at its turn, after its rollback line is on disk, again where that is safe.

Runs in the threads of a pool and owns what they share: the pace that each service admits, what is under way,
and the reasons to stop. What comes of each image goes to `put`, once. Prints nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from imagectl.errors import ImagectlError
from imagectl.fleet import rollback as rollbacks
from imagectl.fleet.manifest import Entry
from imagectl.fleet.pool import Event, Threads
from imagectl.fleet.rate import Pace
from imagectl.fleet.settling import Waiting, Watcher
from imagectl.image import LOOK, MOVING, Change, Image, ImageUpdate, Outcome, Progress, Service, diff
from imagectl.update import PASSING, Clock, look_up

_MOST_THROTTLES = 10  # of one image, whose requests are paced: the rest of the fleet goes on without it
_PATIENCE = 60.0  # seconds for somebody else's change of the same image to end: as update.py's for ours


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetOptions:
    """How a fleet is brought to its state. `timeout` in seconds, from an update's acceptance."""

    concurrency: int = 8
    max_failures: int | None = None
    wait: bool = False
    timeout: float = 600.0


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One entry, the service its image is in, the image as it was read, and what that makes of it."""

    entry: Entry
    service: Service
    listed: int  # how many images the service has in all
    current: Image
    outcome: Outcome  # planned, unchanged, or not-applied with the error

    @property
    def update(self) -> ImageUpdate:
        """What is wanted, by the name that the service itself writes."""
        return replace(self.entry.update, name=self.outcome.name)


class _Lane:
    """One service's turn-taking: its clients, and the pace it was found to admit."""

    def __init__(self, service: Service, clock: Clock, threads: Threads) -> None:
        self.service, self.once = service, service.once()
        self._clock, self._pace = clock, Pace()
        self._turn, self._lock = threads.lock(), threads.lock()

    def turn(self, stop: Event) -> bool:
        """Wait until a request may go; False where nothing is to be sent any more."""
        with self._turn:
            while not stop.is_set():
                with self._lock:
                    now = self._clock.now()
                    delay = self._pace.delay(now)
                    if not delay:
                        self._pace.sent(now)
                        return True
                stop.wait(delay)
        return False

    def answered(self, sent: float, *, throttled: bool) -> None:
        with self._lock:
            told = self._pace.throttled if throttled else self._pace.admitted
            told(sent, self._clock.now())


class Sender:
    """What the threads of one run share."""

    def __init__(
        self,
        options: FleetOptions,
        *,
        rollback: rollbacks.RollbackFile | None,
        clock: Clock,
        threads: Threads,
        put: Callable[[Outcome], None],
    ) -> None:
        self._options, self._rollback, self._put = options, rollback, put
        self._clock, self._threads = clock, threads
        self._lock = threads.lock()
        self._lanes: dict[Service, _Lane] = {}
        self._watchers: dict[Service, Watcher] = {}
        self._under_way: dict[Job, Progress] = {}
        self._failures = 0
        self._stop, self._leave = threads.event(), threads.event()
        self.why = ""  # why nothing new is sent
        self.fatal: ImagectlError | None = None

    def stop(self, *, wait: bool) -> None:
        """Send nothing new. `wait`: whether updates that were accepted are still waited for."""
        self._stop.set()
        if not wait:
            self._leave.set()

    def unknown(self) -> list[str]:
        """The images whose update is on its way at this moment, so that nobody knows what comes of it."""
        with self._lock:
            return [job.outcome.name for job, told in self._under_way.items() if told.outcome == "unknown"]

    def send(self, job: Job) -> None:
        """Bring one image to its state. Raises nothing: whatever happens is its outcome."""
        try:
            outcome = self._send(job)
        except ImagectlError as error:
            outcome = _failed(job, error)
        except Exception as bug:  # noqa: BLE001 - a bug of ours, told with the image it hit
            unexpected = f"unexpected {type(bug).__name__}: {bug}"
            outcome = _failed(job, ImagectlError("internal", unexpected, outcome="unknown"))
        if outcome:
            self._finish(outcome)

    def _finish(self, outcome: Outcome) -> None:
        if outcome.error and outcome.error.kind != "pending":
            with self._lock:
                self._failures += 1
                if self._failures == self._options.max_failures and not self._stop.is_set():
                    self.why = f"{self._failures} failed"
                    self._stop.set()
        self._put(outcome)

    def _send(self, job: Job) -> Outcome | None:
        """What came of one image; None where that is still waited for."""
        if job.outcome.error:
            return job.outcome
        current, changes, lane = job.current, job.outcome.changes, self._lane(job.service)
        look = current.status in MOVING and (bool(changes) or self._options.wait)
        lost: ImagectlError | None = None  # a failure that left open whether the update was applied
        tries, throttles, arn = 0, 0, ""
        while not arn:
            if look:
                current = self._at_rest(job)
                left = diff(current, job.update)
                if not left and lost:
                    arn = current.arn  # the reply was lost, not the request
                    break
                if not lost:
                    changes = left
            if not changes:
                return replace(job.outcome, result="unchanged", changes=())
            if not lane.turn(self._stop):
                if lost:
                    raise lost
                return replace(job.outcome, result="not-applied", changes=changes)
            if not tries + throttles:
                self._record(job, current, changes)
            sent = self._clock.now()
            try:
                arn = self._request(job, lane, changes, last=tries + 1 >= job.service.attempts)
            except ImagectlError as error:
                lane.answered(sent, throttled=error.is_throttle)
                tries, throttles = tries + (not error.is_throttle), throttles + error.is_throttle
                lost = error if error.outcome == "unknown" else lost
                again = tries < job.service.attempts and throttles < _MOST_THROTTLES
                if error.kind != "transient" or not again:
                    raise
                # Changed by somebody else, by an earlier run of ours that was killed, or by us, unheard:
                # it may be as declared when that is over.
                look = lost is not None or error.is_busy
                if not error.is_throttle:
                    self._stop.wait(self._clock.jittered(min(0.2 * 4**tries, 10)))
            else:
                lane.answered(sent, throttled=False)
        return self._accepted(job, current, changes, arn)

    def _request(self, job: Job, lane: _Lane, changes: tuple[Change, ...], *, last: bool) -> str:
        """Send just what differs: a role that stays needs no iam:PassRole.

        After a lost reply, repeating it soon says the same as long watching does. Unless it was the last.
        """
        update, progress = _narrowed(job, changes), Progress()
        with self._lock:
            self._under_way[job] = progress
        try:
            return lane.once.update(update, progress)
        except ImagectlError as error:
            if error.outcome != "unknown" or (error.kind == "transient" and not last):
                raise
            return look_up(
                lane.once, update, error, progress=progress, clock=self._clock, watch=lambda _status: None
            )
        finally:
            with self._lock:
                del self._under_way[job]

    def _record(self, job: Job, current: Image, changes: tuple[Change, ...]) -> None:
        if self._rollback is None:
            return
        region, profile = job.service.region, job.entry.profile
        line = rollbacks.entry(arn=current.arn, region=region, profile=profile, changes=changes)
        try:
            self._rollback.add(line)
        except ImagectlError as full:
            with self._lock:
                if self.fatal is None:
                    self.fatal, self.why = full, "the rollback file could not be written"
            self._stop.set()
            raise

    def _accepted(self, job: Job, current: Image, changes: tuple[Change, ...], arn: str) -> Outcome | None:
        requested = replace(job.outcome, result="requested", arn=arn, changes=changes)
        if not self._options.wait or self._leave.is_set():
            return requested

        def done(error: ImagectlError | None, settled: bool) -> None:
            if error:
                self._finish(replace(_failed(job, error), arn=arn, changes=changes))
            else:
                self._finish(replace(requested, result="updated" if settled else "requested"))

        self._watcher(job).add(Waiting(_narrowed(job, changes), current, done, self._clock.now()))
        return None

    def _at_rest(self, job: Job) -> Image:
        """The image when nobody changes it any more; as it is, where that takes too long."""
        start, delay = self._clock.now(), 0.3
        while True:
            try:
                image: Image | None = job.service.describe(job.outcome.name, within=LOOK)
            except ImagectlError as failure:
                if failure.kind not in PASSING or self._clock.now() - start >= _PATIENCE:
                    raise failure.but(outcome="not-applied") from failure.__cause__
                image = None
            if image and (
                image.status not in MOVING or self._stop.is_set() or self._clock.now() - start >= _PATIENCE
            ):
                return image
            self._stop.wait(delay)
            delay = min(delay * 1.5, 2.0)

    def _lane(self, service: Service) -> _Lane:
        with self._lock:
            if service not in self._lanes:
                self._lanes[service] = _Lane(service, self._clock, self._threads)
            return self._lanes[service]

    def _watcher(self, job: Job) -> Watcher:
        with self._lock:
            if job.service not in self._watchers:
                self._watchers[job.service] = Watcher(
                    job.service, job.listed, self._options.timeout, self._clock, self._threads, self._leave
                )
            return self._watchers[job.service]


def _narrowed(job: Job, changes: tuple[Change, ...]) -> ImageUpdate:
    return ImageUpdate(job.outcome.name, {change.name: change.after for change in changes})


def _failed(job: Job, error: ImagectlError) -> Outcome:
    outcome = error.outcome or "not-applied"
    name, region = error.image_name or job.outcome.name, error.region or job.service.region
    told = error.but(image_name=name, region=region, outcome=outcome)
    return replace(job.outcome, result=outcome, error=told)
