"""One image: plan, carry out, wait until settled. The meaning of "applied" and "settled" is owned here.

Speaks to the service through `Service` only, and to people not at all: who calls passes in a clock and
what wants to know the status. Every failure is an ImagectlError.
"""

import random
import time
from collections.abc import Callable
from typing import NamedTuple

from imagectl.errors import Applied, ImagectlError
from imagectl.image import DEAD_ENDS, LOOK, MOVING, Image, ImageUpdate, Outcome, Progress, Service, diff

Watch = Callable[[str], None]  # is told the status, each time it was looked up


class Clock(NamedTuple):
    """Time, to be passed in: seconds since some moment, a pause, and a number from 0 to 1 for jitter."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random

    def jittered(self, seconds: float) -> float:
        """About `seconds`, up to a fifth less: many waiters must not look in step."""
        return seconds * (1 - self.random() / 5)

    def pause(self, seconds: float) -> None:
        self.sleep(self.jittered(seconds))


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
    )


def run(
    service: Service,
    update: ImageUpdate,
    options: Options,
    *,
    progress: Progress,
    clock: Clock,
    watch: Watch,
) -> Outcome:
    """Bring one image to what `update` wants, by `options`: the verb behind `imagectl update`."""
    before = None
    if options.dry_run or options.if_changed:
        before = service.describe(update.name)
        planned = plan(before, update, service.region)
        if options.dry_run:
            return planned
        # While another update is under way, what is there now is about to change: let the service decide.
        if planned.result == "unchanged" and before.status not in MOVING:
            if options.wait:  # nothing was sent and it is at rest: settled as it was just seen, or failed
                is_settled(before, ImageUpdate(update.name, {}), service.region, before=None, waited=0)
            return planned
    arn = carry_out(service, update, progress=progress, clock=clock, watch=watch)
    changes = diff(before, update) if before else update.shown()
    if options.wait:
        settle(service, update, timeout=options.timeout, clock=clock, watch=watch, before=before)
    return Outcome(
        result="updated" if options.wait else "requested",
        name=update.name,
        region=service.region,
        arn=arn,
        changes=changes,
    )


def carry_out(
    service: Service, update: ImageUpdate, *, progress: Progress, clock: Clock, watch: Watch
) -> str:
    """Send the update, once; return the image's ARN where the service accepted it.

    Where the reply was lost, what the image turns out to be decides whether that is so.
    """
    try:
        return service.update(update, progress)
    except ImagectlError as lost:
        if lost.outcome != "unknown":
            raise
        return look_up(service, update, lost, progress=progress, clock=clock, watch=watch)


def look_up(
    service: Service,
    update: ImageUpdate,
    lost: ImagectlError,
    *,
    progress: Progress,
    clock: Clock,
    watch: Watch,
) -> str:
    """The image's ARN if the update whose reply was `lost` turns out to be applied; else raises `lost`."""
    # Who timed out may have been too early: the request may still be waiting to be carried out.
    late = lost.code == "ReadTimeoutError"
    found = _find_out(service, update, late=late, clock=clock, watch=watch)
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
        hint=f"look at the image (imagectl show {update.name}); repeating the update is safe",
    )


# Failures of a look after which the next may be luckier: throttled, cut off, a page of somebody else's.
PASSING = frozenset({"transient", "refused"})

# How long a request whose reply was lost is given to show in DescribeImage, in seconds: reads may be
# stale for some seconds, an update takes up to half a minute.
_GRACE_UNSEEN, _GRACE_UPDATING = 6.0, 60.0


def _find_out(
    service: Service, update: ImageUpdate, *, late: bool, clock: Clock, watch: Watch
) -> Image | Applied:
    """Whether a request without a reply was carried out: the image as asked for, or what else is known.

    `not-applied` only where the image was seen at rest, other than asked for, until a stale read is
    past believing; a read that fails, an update that doesn't end, or a request that may still come (`late`)
    leaves it unknown.
    """
    start, delay, moved = clock.now(), 0.5, False
    while True:
        try:
            image = service.describe(update.name, within=LOOK)
        except ImagectlError as failure:
            if failure.kind == "not-found":
                return "not-applied"
            if failure.kind not in PASSING:
                return "unknown"
            status = None
        else:
            status = image.status
            watch(status)
            if not diff(image, update) and status not in DEAD_ENDS:
                return image
            if status == "UPDATE_FAILED" and moved:  # else it may be an earlier update's failure
                return "not-applied"
        moving = status in MOVING
        moved = moved or moving
        if clock.now() - start >= (_GRACE_UPDATING if moving else _GRACE_UNSEEN):
            return "unknown" if moving or late or status is None else "not-applied"
        clock.pause(delay)
        delay = min(delay * 1.5, 2.0)


def settle(
    service: Service,
    update: ImageUpdate,
    *,
    timeout: float,
    clock: Clock,
    watch: Watch,
    before: Image | None = None,
) -> Image:
    """Wait until the image is CREATED and every property is as `update` wants it.

    Raises `refused` on a state that can't become CREATED, `pending` after `timeout` seconds. `before` is
    the image as last read before the update: its failure is not taken for ours. Where it was not read, a
    failure seen at once is: by a second look, as the first may be stale.
    """
    start, delay, status, trouble = clock.now(), 0.4, "", None
    while True:
        try:
            image = service.describe(update.name, within=look(timeout - (clock.now() - start)))
        except ImagectlError as failure:
            if failure.kind not in PASSING:
                raise accepted_but(failure, update) from failure.__cause__
            trouble = failure
        else:
            doubtful = update.wanted and before is None and not status and image.status == "UPDATE_FAILED"
            status, trouble = image.status, None
            watch(status)
            waited = clock.now() - start
            if not doubtful and is_settled(image, update, service.region, before=before, waited=waited):
                return image
        waited = clock.now() - start
        if waited >= timeout:
            if trouble and not status and not update.wanted:
                raise trouble  # nothing was ever seen: that is what there is to tell
            raise pending(update, service.region, timeout, status, trouble)
        clock.pause(min(delay, max(timeout - waited, 0.05)))
        # Updates settle within half a minute as a rule: while that is likely, news is under 2 s old.
        delay = min(delay * 1.4, 1.5 if waited < 120 else 5.0)


def look(left: float) -> float:
    """How long a look may take where `left` seconds are left of a wait: it ends at most one second late."""
    return min(max(left, 1.0), LOOK)


def is_settled(
    image: Image, update: ImageUpdate, region: str, *, before: Image | None, waited: float
) -> bool:
    """What one look says: settled, or not yet. Raises `refused` on a state that can't become CREATED."""
    if image.status in DEAD_ENDS and not _is_of_before(image, before, waited):
        raise _dead_end(image, update, region)
    return image.status == "CREATED" and not diff(image, update)


def _is_of_before(image: Image, before: Image | None, waited: float) -> bool:
    """Whether a failed state is still that of before the update: a stale read, believed for 10 s at most."""
    told = ("ImageStatus", "FailureReason", "LastModifiedTime")
    return (
        before is not None
        and waited < 10
        and all(image.fields.get(key) == before.fields.get(key) for key in told)
    )


def _dead_end(image: Image, update: ImageUpdate, region: str) -> ImagectlError:
    reason = f": {image.failure_reason}" if image.failure_reason else ""
    return ImagectlError(
        "refused",
        f"image '{update.name}' is {image.status}{reason}",
        code=image.status,
        operation="DescribeImage",
        image_name=update.name,
        region=region,
        outcome="not-applied" if update.wanted else None,
    )


def accepted_but(failure: ImagectlError, update: ImageUpdate) -> ImagectlError:
    """A failure to look, told with what is known of the update."""
    if not update.wanted:
        return failure
    message = f"the update was accepted, but looking at the image failed: {failure.message}"
    return failure.but(message=message, outcome="applied")


def pending(
    update: ImageUpdate, region: str, timeout: float, status: str, trouble: ImagectlError | None = None
) -> ImagectlError:
    """The error of a wait whose time ran out; `trouble` is why the last look saw nothing."""
    accepted = "the update was accepted, but " if update.wanted else ""
    status = status or "not known"
    last = f"; the last look failed: {trouble.message}" if trouble else ""
    return ImagectlError(
        "pending",
        f"{accepted}image '{update.name}' has not settled after {timeout:g} s (status {status}){last}",
        operation="DescribeImage",
        image_name=update.name,
        region=region,
        outcome="applied" if update.wanted else None,
    )
