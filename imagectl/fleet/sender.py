"""One image of many, sent: at its turn, after its rollback line is on disk, again where that is safe.

Runs in the threads of a pool and owns what they share: what was sent, and the reasons to stop. What comes of
each image goes to `put`, once. Prints nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from queue import Empty

from imagectl.errors import Applied, ImagectlError
from imagectl.fleet import rollback as rollbacks
from imagectl.fleet.guard import unexpected
from imagectl.fleet.manifest import Entry
from imagectl.fleet.paced import Paced, backoff
from imagectl.fleet.pool import Event, Threads
from imagectl.fleet.settling import Waiting, Watcher
from imagectl.image import MOVING, Change, Image, ImageUpdate, Outcome, Progress, diff
from imagectl.update import Clock, Judge, look_at, look_up, looks

_FRESH = 3.0  # seconds for which a reading of an image is believed, where it is expected to be as it was
_PATIENCE = 60.0  # seconds for somebody else's change of the same image to end
_MOST_THROTTLES = 10  # of one image, whose requests are paced: the rest goes on without it
_GRACE = 30.0  # seconds after its time ran out in which an image's watcher tells it


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetOptions:
    """How a fleet is brought to its state. `timeout` in seconds, from an update's acceptance."""

    concurrency: int
    max_failures: int | None
    max_unsettled: int | None  # with `wait`: at most so many images are unsettled at any moment
    wait: bool
    timeout: float


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One entry, the service its image is in, the image as it was read, and what that makes of it."""

    entry: Entry
    service: Paced
    listed: int  # how many images the service has in all
    current: Image
    read: float  # when it was
    outcome: Outcome  # planned, unchanged, or not-applied with the error

    @property
    def update(self) -> ImageUpdate:
        """What is wanted, by the name that the service itself writes."""
        return replace(self.entry.update, name=self.outcome.name)

    @property
    def may_change(self) -> bool:
        """Whether there is something to send, or may be: what is being changed won't stay as it is."""
        return bool(self.outcome.changes) or self.current.status in MOVING


@dataclass(slots=True, eq=False)
class _Sending:
    """What is known of one image between two requests."""

    job: Job
    current: Image
    changes: tuple[Change, ...]
    read: float  # when it was
    progress: Progress = field(default_factory=Progress)
    doubt: ImagectlError | None = None  # of a request that may have been carried out, unheard
    tries: int = 0
    throttles: int = 0
    since: float = 0.0  # when a request of it was first sent
    recorded: tuple[Change, ...] = ()  # what the rollback file takes back, if there is one
    under_way: bool = False  # whether a request of it is, or was, and is not known to be turned away

    @property
    def update(self) -> ImageUpdate:
        """Just what differs: a role that stays needs no iam:PassRole."""
        return ImageUpdate(self.job.outcome.name, {change.name: change.after for change in self.changes})

    @property
    def may_be_applied(self) -> bool:
        return self.under_way or self.doubt is not None

    def count(self, error: ImagectlError) -> None:
        """One request more that failed."""
        self.tries += not error.is_throttle
        # Of several in a row the first alone may be about this image: the others say that the rate is low.
        self.throttles += error.is_throttle and self.job.service.throttles <= 1
        if error.outcome == "unknown":
            self.doubt = self.failed(error)

    def failed(self, error: ImagectlError) -> ImagectlError:
        """`error`, told with the doubt that earlier requests left."""
        if self.doubt is None:
            return error
        return error.but(outcome="unknown", late=error.late or self.doubt.late)


class Sender:
    """What the threads of one run share."""

    def __init__(
        self,
        options: FleetOptions,
        *,
        rollback: rollbacks.RollbackFile | None,
        clock: Clock,
        threads: Threads,
        put: Callable[[tuple[Job, Outcome]], None],
    ) -> None:
        self._options, self._rollback, self._put = options, rollback, put
        self._clock, self._threads = clock, threads
        self._lock = threads.lock()
        self._watchers: dict[Paced, Watcher] = {}
        self._sent: dict[Job, _Sending] = {}
        self._closed = False
        self._failures = 0
        self._stop, self._leave = threads.event(), threads.event()
        self._slots = (
            _Slots(options.max_unsettled, threads) if options.max_unsettled and options.wait else None
        )
        self.why = ""  # why nothing new is sent
        self.fatal: ImagectlError | None = None

    def stop(self, *, wait: bool) -> None:
        """Send nothing new. `wait`: whether updates that were accepted are still waited for."""
        self._stop.set()
        if not wait:
            self._leave.set()
            for watcher in self._all_watchers():
                watcher.release()

    def close(self, jobs: Iterable[Job]) -> list[str]:
        """Send nothing at all any more; the images that may have been updated, of jobs that were not told."""
        with self._lock:
            self._closed = True
        return self.in_doubt(jobs)

    def expire(self) -> None:
        """Tell the images that their watcher should have told of long ago, whatever became of it."""
        for watcher in self._all_watchers():
            watcher.expire(_GRACE)

    def waits(self) -> bool:
        """Whether an image is still waited for."""
        return any(watcher.waiting() for watcher in self._all_watchers())

    def in_doubt(self, jobs: Iterable[Job]) -> list[str]:
        """The images that may have been updated, of jobs that were not told."""
        with self._lock:
            return [job.outcome.name for job in jobs if job in self._sent and self._sent[job].may_be_applied]

    def lost(self, job: Job) -> Outcome:
        """The outcome of a job whose thread died."""
        return _failed(
            job,
            ImagectlError(
                "internal", "its thread died", outcome="unknown" if self.in_doubt([job]) else "not-applied"
            ),
        )

    def in_turn(self, jobs: Iterable[Job]) -> Iterator[Job]:
        """The jobs in order, each when it may begin: as soon as few enough images are unsettled."""
        for job in jobs:
            if self._slots and job.may_change:
                self._slots.take(self._stop)
            yield job

    def send(self, job: Job) -> None:
        """Bring one image to its state. Raises nothing foreseen: whatever happens is its outcome."""
        with self._stopped_by_death():
            sending = _Sending(job, job.current, job.outcome.changes, job.read)
            try:
                outcome = self._send(sending)
            except ImagectlError as error:
                outcome = _failed(job, error)
            except Exception as bug:  # noqa: BLE001 - a bug of ours, told with the image it hit
                unexpected = f"unexpected {type(bug).__name__}: {bug}"
                known: Applied = "unknown" if sending.may_be_applied else "not-applied"
                outcome = _failed(job, ImagectlError("internal", unexpected, outcome=known))
            if outcome:
                self._finish(job, outcome)

    @contextmanager
    def _stopped_by_death(self) -> Iterator[None]:
        """Send nothing new when a thread dies: others would wait without end for a slot that it had."""
        try:
            yield
        except BaseException:
            self._stop_because("a thread died")
            raise

    def _finish(self, job: Job, outcome: Outcome) -> None:
        if outcome.error and outcome.error.kind != "pending":
            with self._lock:
                self._failures += 1
                failures = self._failures
            if failures == self._options.max_failures:
                self._stop_because(f"{failures} failed")
        if self._slots and job.may_change:
            if outcome.result in {"requested", "applied", "unknown"}:
                if not self._slots.keep():
                    self._stop_because(f"{self._options.max_unsettled} not settled")
            else:
                self._slots.give_back()
        self._put((job, outcome))

    def _stop_because(self, why: str) -> None:
        with self._lock:
            self.why = self.why or why
        self._stop.set()

    def _send(self, sending: _Sending) -> Outcome | None:
        """What came of one image; None where that is still waited for."""
        job = sending.job
        if job.outcome.error:
            return job.outcome
        arn = None
        if job.current.status in MOVING:  # what it shows is about to change, be it as declared or not
            self._look_again(sending)
        while sending.changes and not arn:
            if job.service.turn(self._stop):
                self._guard(sending)
                if sending.changes and not self._stop.is_set():  # that look took its time
                    arn = self._request(sending)
            elif sending.doubt is None:
                return replace(job.outcome, result="not-applied", changes=sending.changes)
            else:
                arn = self._look_up(sending, sending.doubt)
        return self._accepted(sending, arn) if arn else replace(job.outcome, result="unchanged", changes=())

    def _request(self, sending: _Sending) -> str | None:
        """Send it once: the ARN where it was accepted, None where it may be sent again."""
        job = sending.job
        if sending.recorded != sending.changes:  # somebody else may have changed it since the last request
            self._record(sending)
        with self._lock:
            if self._closed:
                raise sending.failed(ImagectlError("interrupted", "not sent", outcome="not-applied"))
            self._sent[job], sending.under_way = sending, True
        sending.since = sending.since or self._clock.now()
        try:
            return job.service.update(sending.update, sending.progress)
        except ImagectlError as error:
            sending.count(error)
            sending.under_way = error.outcome != "not-applied"
            if error.kind != "transient" or not self._is_again(sending):
                return self._look_up(sending, sending.failed(error))
            if not error.is_throttle:
                self._stop.wait(self._clock.jittered(backoff(sending.tries)))
            # Changed by somebody else, by an earlier run of ours that was killed, or by us, unheard: it may
            # be as declared when that is over.
            return self._look_again(sending) if error.is_busy or sending.doubt else None

    def _is_again(self, sending: _Sending) -> bool:
        service = sending.job.service
        throttled = sending.throttles >= _MOST_THROTTLES or service.is_starved
        return sending.tries < service.attempts and not throttled

    def _look_up(self, sending: _Sending, error: ImagectlError) -> str:
        """The ARN where an update in doubt turns out to be applied; raises `error` where it doesn't.

        After a lost reply, repeating it soon says the same as long watching does: only the last is looked up.
        """
        if error.outcome != "unknown":
            raise error
        return look_up(
            sending.job.service,
            sending.update,
            error,
            since=sending.since,
            progress=sending.progress,
            clock=self._clock,
            watch=lambda _status: None,
        )

    def _look_again(self, sending: _Sending) -> str | None:
        """See what is left to change, when nobody else changes the image; the ARN where ours was applied."""
        return self._judge(sending, self._at_rest(sending))

    def _guard(self, sending: _Sending) -> None:
        """Look once more at an image that was expected to be otherwise than somebody may have made it since.

        What is left is the moment between this look and the request: the API knows no condition.
        """
        job = sending.job
        if job.entry.expected and self._clock.now() - sending.read >= _FRESH:
            try:
                image = job.service.describe(job.outcome.name)
            except ImagectlError as error:
                raise sending.failed(error.but(outcome="not-applied")) from error.__cause__
            self._judge(sending, image)

    def _judge(self, sending: _Sending, image: Image) -> str | None:
        """What is left to change of an image as it was just read; the ARN where ours was applied."""
        left = diff(image, sending.job.update)
        if left and (error := unexpected(sending.job.entry, image, sending.job.service.region)):
            raise sending.failed(error)
        sending.read = self._clock.now()
        if sending.doubt is not None:
            return None if left else image.arn  # the reply was lost, not the request
        sending.current, sending.changes = image, left
        return None

    def _at_rest(self, sending: _Sending) -> Image:
        """The image when nobody changes it any more; as it is, where that takes too long."""
        look = look_at(sending.job.service, sending.job.outcome.name)
        clock = self._clock._replace(sleep=self._stop.wait)
        try:
            for seen in looks(look, clock, _PATIENCE):
                if self._stop.is_set() or (seen.image and seen.image.status not in MOVING):
                    break
            return seen.read()
        except ImagectlError as error:
            raise sending.failed(error.but(outcome="not-applied")) from error.__cause__

    def _record(self, sending: _Sending) -> None:
        again, sending.recorded = bool(sending.recorded), sending.changes
        if self._rollback is None:
            return
        line = rollbacks.entry(
            arn=sending.current.arn,
            region=sending.job.service.region,
            profile=sending.job.entry.profile,
            changes=sending.changes,
            again=again,
        )
        try:
            self._rollback.add(line)
        except ImagectlError as full:
            with self._lock:
                self.fatal = self.fatal or full
            self._stop_because("the rollback file could not be written")
            raise

    def _accepted(self, sending: _Sending, arn: str) -> Outcome | None:
        job, changes = sending.job, sending.changes
        requested = replace(job.outcome, result="requested", arn=arn, changes=changes)
        if not self._options.wait or self._leave.is_set():
            return requested

        def done(error: ImagectlError | None, settled: bool) -> None:
            if error:
                outcome = replace(_failed(job, error), arn=arn, changes=changes)
            else:
                outcome = replace(requested, result="updated" if settled else "requested")
            with self._stopped_by_death():
                self._finish(job, outcome)

        judge = Judge(sending.update, job.service.region, sending.current, sending.progress.several)
        self._watcher(job).add(Waiting(sending.update, done, self._clock.now(), judge))
        return None

    def _watcher(self, job: Job) -> Watcher:
        with self._lock:
            if job.service not in self._watchers:
                self._watchers[job.service] = Watcher(
                    job.service, job.listed, self._options.timeout, self._clock, self._threads, self._leave
                )
            return self._watchers[job.service]

    def _all_watchers(self) -> list[Watcher]:
        with self._lock:
            return list(self._watchers.values())


class _Slots:
    """How many images may be unsettled at a time. An image that is not known to be settled keeps its slot."""

    def __init__(self, count: int, threads: Threads) -> None:
        self._free, self._lock, self._left = threads.queue(), threads.lock(), count
        for _ in range(count):
            self._free.put(None)

    def take(self, stop: Event) -> None:
        """Wait for a slot, or for `stop`."""
        while not stop.is_set():
            with suppress(Empty):
                self._free.get(timeout=0.2)
                return

    def give_back(self) -> None:
        self._free.put(None)

    def keep(self) -> bool:
        """Keep a slot for good; False where that was the last."""
        with self._lock:
            self._left -= 1
            return self._left > 0


def _failed(job: Job, error: ImagectlError) -> Outcome:
    outcome = error.outcome or "not-applied"
    name, region = error.image_name or job.outcome.name, error.region or job.service.region
    told = error.but(image_name=name, region=region, outcome=outcome)
    return replace(job.outcome, result=outcome, error=told)
