"""One image: plan, carry out, wait until settled. The meaning of "applied" and "settled" is owned here.

Speaks to the service through `Service` only, and to people not at all: who calls passes in a clock and
what wants to know the status. Every failure is an ImagectlError.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import InitVar, dataclass, field
from typing import Any, NamedTuple

from imagectl.errors import Applied, ImagectlError
from imagectl.image import DEAD_ENDS, LOOK, MOVING, Image, ImageUpdate, Outcome, Progress, Service, diff
from imagectl.text import quote

Watch = Callable[[str], None]  # takes the status after each look


class Clock(NamedTuple):
    """Time, to be passed in: seconds since some moment, a pause, and a number from 0 to 1 for jitter."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    random: Callable[[], float] = random.random

    def jittered(self, seconds: float) -> float:
        """About `seconds`, up to a fifth less: many waiters must not look in step."""
        return seconds * (1 - self.random() / 5)

    def pause(self, seconds: float) -> None:
        self.sleep(self.jittered(seconds))


class Look(NamedTuple):
    """One look at an image: as it is, or why it was not seen this time. `waited` is since the first look."""

    image: Image | None
    failure: ImagectlError | None
    waited: float

    def read(self) -> Image:
        """The image; raises why it was not seen."""
        if self.image is None:
            raise self.failure or AssertionError
        return self.image


class Options(NamedTuple):
    """How an update is carried out. `timeout` in seconds."""

    dry_run: bool = False
    if_changed: bool = False
    wait: bool = False
    timeout: float = 600.0


def plan(current: Image, update: ImageUpdate, region: str) -> Outcome:
    """What carrying out `update` would do to the image as it is: `planned` or `unchanged`. Pure."""
    changes = diff(current, update)
    return Outcome(
        result="planned" if changes else "unchanged",
        name=update.name,
        region=region,
        arn=current.arn,
        changes=changes,
        status=current.status,
    )


def run(
    service: Service,
    update: ImageUpdate,
    options: Options,
    *,
    progress: Progress,
    clock: Clock,
    watch: Watch,
    announce: Callable[[Outcome], None] = lambda _: None,
) -> Outcome:
    """Bring one image to what `update` wants, by `options`: the verb behind `imagectl update`.

    What is going to be sent is announced before it is.
    """
    start, before = clock.now(), None
    if options.dry_run or options.if_changed:
        before = service.describe(update.name)
        planned = plan(before, update, service.region)
        if options.dry_run:
            return planned
        # While another update is under way, what is there now is about to change: let the service decide.
        if planned.result == "unchanged" and before.status not in MOVING:
            return _left_alone(before, planned, options)
    changes = diff(before, update) if before else update.shown()
    announce(Outcome(result="planned", name=update.name, region=service.region, changes=changes))
    try:
        arn = carry_out(service, update, progress=progress, clock=clock, watch=watch)
    except ImagectlError as busy:
        if not (options.wait and _is_busy(busy)):
            raise
        before, found = _when_at_rest(
            service, update, options, busy, start=start, progress=progress, clock=clock, watch=watch
        )
        if found is None:
            return _left_alone(before, plan(before, update, service.region), options)
        arn = found
    changes = diff(before, update) if before else update.shown()
    if options.wait:
        judge = Judge(update, service.region, before, progress.several)
        settle(service, judge, start=start, timeout=options.timeout, clock=clock, watch=watch)
    return Outcome(
        result="updated" if options.wait else "requested",
        name=update.name,
        region=service.region,
        arn=arn,
        changes=changes,
    )


def _left_alone(image: Image, planned: Outcome, options: Options) -> Outcome:
    """The outcome where nothing is sent: the image is at rest and as wanted. Raises where it has failed."""
    if options.wait:
        Judge(ImageUpdate(planned.name, {}), planned.region).is_settled(image, 0)
    return planned


def _is_busy(error: ImagectlError) -> bool:
    """Whether the update was turned away because the image is being changed."""
    return error.is_busy and error.outcome == "not-applied"


def _when_at_rest(
    service: Service,
    update: ImageUpdate,
    options: Options,
    busy: ImagectlError,
    *,
    start: float,
    progress: Progress,
    clock: Clock,
    watch: Watch,
) -> tuple[Image, str | None]:
    """Carry the update out as soon as nobody else changes the image: as it was before, and its ARN.

    No ARN where it is as asked for by then, and nothing more was to be sent (`if_changed`).

    Raises `busy` where the image is still being changed when the timeout, from `start` on, is over.
    """
    for look in looks(look_at(service, update.name), clock, start + options.timeout - clock.now()):
        if look.image is None:
            continue
        watch(look.image.status)
        if look.image.status in MOVING:
            continue
        if options.if_changed and not diff(look.image, update):
            return look.image, None
        try:
            arn = carry_out(service, update, progress=progress, clock=clock, watch=watch)
        except ImagectlError as error:
            if not _is_busy(error):
                raise
            busy = error
        else:
            return look.image, arn
    raise busy


def carry_out(
    service: Service, update: ImageUpdate, *, progress: Progress, clock: Clock, watch: Watch
) -> str:
    """Send the update, once; return the image's ARN where the service accepted it.

    Where the reply was lost, what the image turns out to be decides whether that is so.
    """
    since = clock.now()
    try:
        return service.update(update, progress)
    except ImagectlError as lost:
        if lost.outcome != "unknown":
            raise
        return look_up(service, update, lost, since=since, progress=progress, clock=clock, watch=watch)


def look_up(
    service: Service,
    update: ImageUpdate,
    lost: ImagectlError,
    *,
    since: float,
    progress: Progress,
    clock: Clock,
    watch: Watch,
) -> str:
    """The image's ARN if the update whose reply was `lost` turns out to be applied; else raises `lost`.

    `since` is when it was first sent.
    """
    found = _find_out(
        service, update, since, late=lost.late, several=progress.several, clock=clock, watch=watch
    )
    if isinstance(found, Image):
        progress.outcome = "applied"
        return found.arn
    progress.outcome = found
    message = lost.message.rstrip(".")
    if found == "not-applied":
        message += "; the update was not applied: the image still is as it was"
        raise lost.but(message=message, outcome=found)
    raise lost.but(
        message=f"{message}; whether the update was applied could not be found out",
        outcome=found,
        hint=f"repeating the update is safe; to look at the image:\nimagectl show {update.name}",
    )


# Failures of a look after which the next may be luckier: throttled, cut off, a page of somebody else's.
PASSING = frozenset({"transient", "refused"})


def looks(look: Callable[[float], Image], clock: Clock, limit: float) -> Iterator[Look]:
    """Look again and again, at once and until `limit` seconds have passed; what it shows is the caller's.

    `look` is told how many seconds it may take. A failure that may pass is a look that saw nothing; any
    other is raised.
    """
    start = clock.now()
    while True:
        image = failure = None
        asked = clock.now() - start  # what it shows is no newer than that
        try:
            image = look(time_to_look(limit - asked))
        except ImagectlError as error:
            if error.kind not in PASSING:
                raise
            failure = error
        yield Look(image, failure, asked)
        waited = clock.now() - start
        if waited >= limit:
            return
        clock.pause(min(pause_after(waited), max(limit - waited, 0.05)))


def look_at(service: Service, name: str) -> Callable[[float], Image]:
    return lambda within: service.describe(name, within=within)


def pause_after(waited: float) -> float:
    """Seconds until the next look: updates settle within half a minute as a rule, so news is soon told."""
    return min(0.4 + 0.4 * waited, 1.5 if waited < 120 else 5.0)


# How long a request whose reply was lost is given to show in DescribeImage, in seconds: reads may be
# stale for some seconds, an update takes up to half a minute.
_GRACE_UNSEEN, _GRACE_UPDATING = 6.0, 60.0
_CLOCK = 2.0  # seconds by which an image's age may be wrong: two hosts' clocks, a Date of whole seconds


def _find_out(
    service: Service,
    update: ImageUpdate,
    since: float,
    *,
    late: bool,
    several: bool,
    clock: Clock,
    watch: Watch,
) -> Image | Applied:
    """Whether a request without a reply was carried out: the image as asked for, or what else is known.

    `not-applied` only where the image was seen at rest, other than asked for, until a stale read is
    past believing; a read that fails, an image that is gone or that somebody changes meanwhile, an update
    that doesn't end, or a request that may still come (`late`) leaves it unknown. So does a failed update
    where `several` may have been carried out: the others may not have failed.
    """
    moved, blind, newest = False, False, Newest()
    first: Image | None = None
    with suppress(ImagectlError):  # a look that fails for good
        for image, _, waited in looks(look_at(service, update.name), clock, _GRACE_UPDATING):
            if image is None:
                if waited >= _GRACE_UNSEEN:
                    return "unknown"
                continue
            watch(image.status)
            if not newest.takes(image):
                continue
            if not diff(image, update):
                return image
            moved = moved or image.status in MOVING
            if first is None:
                # What was modified since we sent ours may be somebody else's change, that came after it.
                first, ago = image, clock.now() - since
                blind = image.age is None or image.age <= ago + _CLOCK
            # Before it was seen moving, it may be an earlier update's failure.
            failed = image.status == "UPDATE_FAILED"
            if (failed and moved) or (waited >= _GRACE_UNSEEN and image.status not in MOVING):
                as_it_was = (failed and not several) or (image.fields == first.fields and not blind)
                return "unknown" if late or not as_it_was or _is_alike(image, update) else "not-applied"
    return "unknown"


def settle(
    service: Service, judge: "Judge", *, start: float, timeout: float, clock: Clock, watch: Watch
) -> Image:
    """Wait until the image is settled as `judge` sees it: CREATED, and every property as the update wants it.

    Raises `refused` on a state that can't become CREATED, `pending` `timeout` seconds after `start`.
    """
    update, trouble = judge.update, None
    left = max(start + timeout - clock.now(), 0.0)

    def look_once(within: float) -> Image:
        try:
            return service.describe(update.name, within=within)
        except ImagectlError as failure:
            if failure.kind in PASSING:
                raise
            raise accepted_but(failure, update) from failure.__cause__

    for image, trouble, waited in looks(look_once, clock, left):  # noqa: B007 - the last one's trouble
        if image is None:
            continue
        watch(image.status)
        if judge.is_settled(image, waited):
            return image
    if trouble and judge.seen is None and not update.wanted:
        raise trouble  # nothing was ever seen: that is what there is to tell
    raise pending(update, service.region, timeout, judge.seen, trouble)


def time_to_look(left: float) -> float:
    """How long a look may take where `left` seconds are left of a wait: it ends at most one second late."""
    return min(max(left, 1.0), LOOK)


@dataclass(slots=True)
class Newest:
    """The newest of an image's states that was seen. Reads lag, and each by another time."""

    modified: Any = None

    def takes(self, image: Image) -> bool:
        """Take what a look shows for the newest; False where it is older than what was seen before."""
        modified = image.fields.get("LastModifiedTime")
        if modified and self.modified and modified < self.modified:
            return False
        self.modified = modified or self.modified
        return True


@dataclass(slots=True)
class Judge:
    """Whether one image is settled, by all looks at it.

    `before` is the image as it was read before the update, if it was. `several`: whether an earlier attempt
    of the update may have been carried out too, or may still be. `seen` is its newest state that was seen.
    """

    update: ImageUpdate
    region: str
    before: InitVar[Image | None] = None
    several: bool = False
    seen: Image | None = field(init=False, default=None)
    _newest: "Newest" = field(init=False)
    _moved: bool = field(init=False, default=False)

    def __post_init__(self, before: Image | None) -> None:
        self._newest = Newest(before and before.fields.get("LastModifiedTime"))

    def is_settled(self, image: Image, waited: float) -> bool:
        """Settled, or not yet. Raises `refused` on a state that can't become CREATED.

        `waited` is how long after the update was accepted the image was asked for.
        """
        if not self._newest.takes(image):
            return False
        self.seen = image
        self._moved = self._moved or image.status in MOVING
        if image.status in DEAD_ENDS and self._is_of_now(image, waited):
            raise self._dead_end(image)
        return self.has_settled

    @property
    def has_settled(self) -> bool:
        """Whether it was seen settled."""
        return self.seen is not None and self.seen.status == "CREATED" and not diff(self.seen, self.update)

    def _is_of_now(self, image: Image, waited: float) -> bool:
        """Whether a failed state is no earlier update's, which a late read shows for 10 s at most."""
        return image.status != "UPDATE_FAILED" or self._moved or waited >= 10 or not self.update.wanted

    def _dead_end(self, image: Image) -> ImagectlError:
        reason = f": {image.failure_reason}" if image.failure_reason else ""
        outcome: Applied | None = "applied" if self.update.wanted else None
        # Only an update that failed says something of ours, and not where all is as asked for: then ours
        # came before the one that failed.
        if self.update.wanted and image.status == "UPDATE_FAILED" and diff(image, self.update):
            outcome = "unknown" if self.several or _is_alike(image, self.update) else "not-applied"
            if self.several:
                reason += "; what came of an earlier attempt, whose reply was lost, is not known"
        return ImagectlError(
            "refused",
            f"image '{self.update.name}' is {image.status}{reason}",
            code=image.status,
            operation="DescribeImage",
            image_name=self.update.name,
            region=self.region,
            outcome=outcome,
        )


def _is_alike(image: Image, update: ImageUpdate) -> bool:
    """Whether the image is as asked for but for spaces and normal form, as the service may write a value."""
    from unicodedata import normalize

    def folded(value: str | None) -> str:
        return " ".join(normalize("NFKC", value or "").split())

    return all(folded(change.before) == folded(change.after) for change in diff(image, update))


def accepted_but(failure: ImagectlError, update: ImageUpdate) -> ImagectlError:
    """A failure to look, told with what is known of the update."""
    if not update.wanted:
        return failure
    message = f"the update was accepted, but looking at the image failed: {failure.message}"
    return failure.but(message=message, image_name=update.name, outcome="applied")


def pending(
    update: ImageUpdate,
    region: str,
    timeout: float,
    seen: Image | None,
    trouble: ImagectlError | None = None,
) -> ImagectlError:
    """The error of a wait whose time ran out: `seen` is the last look, `trouble` why a later one saw nothing.

    An image that is at rest, but not as asked for, stays so: what it has is told, and no more waiting is
    offered.
    """
    accepted = "the update was accepted, but " if update.wanted else ""
    status = seen.status if seen else "not known"
    last = f"; the last look failed: {trouble.message}" if trouble else ""
    after_all = f"after {round(timeout, 1):g} s"
    message = f"image '{update.name}' has not settled {after_all} (status {status})"
    hint = None
    if seen and status == "CREATED":
        others = (
            f"{name} is {_value(now)}, not {_value(wanted)}" for name, wanted, now, _ in diff(seen, update)
        )
        message = f"image '{update.name}' is at rest {after_all}: {', '.join(others)}"
        hint = (
            "did somebody else change it, or the service write the value its own way? Nothing more will come"
        )
    return ImagectlError(
        "pending",
        f"{accepted}{message}{last}",
        hint=hint,
        operation="DescribeImage",
        image_name=update.name,
        region=region,
        outcome="applied" if update.wanted else None,
    )


def _value(value: str | None) -> str:
    return "not there" if value is None else quote(value)
