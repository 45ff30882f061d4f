"""One image, to the moment: when it is looked at, sent, sent again, given up, waited for, in doubt.

Played without latency and by threads that nobody interrupts, so that every moment is exact.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from simulation.events import Event
from simulation.invariants import broken
from simulation.setup import Setup
from simulation.test_found import update, world
from simulation.world import World

from imagectl.errors import Applied, ImagectlError
from imagectl.fleet.manifest import Entry
from imagectl.fleet.paced import Paced
from imagectl.fleet.pool import THREADS
from imagectl.fleet.sender import FleetOptions, Job, Sender
from imagectl.fleet.settling import Waiting, Watcher
from imagectl.image import Image, ImageUpdate, Outcome, Page, Progress
from imagectl.update import Clock, Judge, plan

ARN = "arn:aws:sagemaker:us-east-1:111111111111:image/my-image"

# Somebody else is at work when the images are read, for so many seconds.
SOMEBODY = Event("sets other values", 0, "second")


def at_work(seconds: float) -> dict[str, Any]:
    return {"takes": (seconds, seconds), "rates": {"ListImages": 0.5}}


def exact(*events: Event, concurrency: int = 1, wait: bool = False, **more: Any) -> Setup:
    return world("apply", *events, concurrency=concurrency, wait=wait, latency=0.0, preempt=0.0, **more)


def alone(*events: Event, wait: bool = True, **more: Any) -> Setup:
    return world("update", *events, wait=wait, latency=0.0, **more)


class First:
    """A first run: the updates that it sent, when it looked at images one by one, and when at all."""

    def __init__(self, setup: Setup, seed: int = 1) -> None:
        played = World(setup, seed)
        self.seen = played.play_first()
        run = self.seen.runs[0]
        self.requests = self.seen.requests(run)
        self.looks = self._asked("DescribeImage")
        self.lists = self._asked("ListImages")
        self.rollback = (played.disk.read("undo-0.jsonl") or b"").splitlines()

    def _asked(self, operation: str) -> list[float]:
        return [when for when, what in self.seen.events(self.seen.runs[0]) if what.startswith(operation)]


def test_a_guarded_image_is_looked_at_again_after_three_seconds() -> None:
    """What was read less than that ago is believed, and not read again."""
    first = First(exact(images=12, expected={"Description": "old"}, rates={"UpdateImage": 0.7}))
    assert len({request.name for request in first.requests}) == 12
    name, read = "", 0.0
    for request in first.requests:
        if request.name != name:
            name, read = request.name, 0.0  # the list is read at the very beginning
        if request.sent in first.looks:
            assert request.sent - read >= 3
            read = request.sent
        assert request.sent - read < 3


def test_somebody_elses_change_has_a_minute_to_end() -> None:
    """Then the service decides what comes of the update."""
    first = First(exact(SOMEBODY, attempts=1, **at_work(200)))
    assert 60 <= first.requests[0].sent - first.looks[0] < 60.1


def test_what_is_busy_is_sent_when_that_is_over() -> None:
    """Once: somebody else began between the look and the update, and every other try would be in vain."""
    first = First(exact(SOMEBODY, takes=(20.0, 20.0), rates={"UpdateImage": 0.5}))
    busy, accepted = [request for request in first.requests if not request.throttled]
    assert busy.sent < 2
    assert accepted.sent > 20
    assert [told.result for told in first.seen.told] == ["requested"]


def test_an_image_that_is_always_turned_away_has_ten_tries() -> None:
    """Only those that say something of it count: the first throttle after another image was admitted."""
    setup = exact(images=80, concurrency=2, rates={"UpdateImage": 2.0}, turned_away=frozenset({"image-3"}))
    first = First(setup)
    told = [told for told in first.seen.told if told.error]
    assert [(one.name, one.error and one.error.code) for one in told] == [("image-3", "ThrottlingException")]
    count = 0
    for before, request in zip(first.requests, first.requests[1:], strict=False):
        count += request.name == "image-3" and not before.throttled
    assert count == 10


@pytest.mark.parametrize("kind", ["503", "in use", "500 before", "throttled"])
def test_a_repeated_update_writes_its_rollback_line_once(kind: str) -> None:
    """However often it is sent and looked at, as long as it changes the same."""
    first = First(exact(update(kind, times=2)))
    assert len(first.requests) == 3
    assert len(first.rollback) == 1


@pytest.mark.parametrize(("seconds", "result"), [(1, "unknown"), (3, "not-applied"), (9, "not-applied")])
def test_what_others_did_before_ours_was_sent_leaves_no_doubt(seconds: float, result: str) -> None:
    """An image that is as it was when a lost request was sent was not changed by it: to two seconds."""
    first = First(exact(SOMEBODY, update("reset before"), attempts=1, **at_work(seconds)))
    assert [told.result for told in first.seen.told] == [result]


def test_an_image_whose_watcher_died_is_told_half_a_minute_late() -> None:
    """When whoever watches it had all the time to tell it."""
    dies = Event("a thread dies", 2, "ListImages")  # the first is the plan's
    (told,) = First(exact(dies, wait=True, timeout=20.0, takes=(90.0, 90.0))).seen.told
    assert told.error
    assert told.error.kind == "pending"
    assert 50 <= told.when < 50.5


def test_whenever_a_thread_dies_what_is_told_is_true() -> None:
    """At each of its steps: also after it saw an image settled, and before it could tell."""
    for step in range(20, 220):
        dies = Event("a thread dies", step, "step")
        seen = First(exact(dies, wait=True, takes=(1.0, 1.0), timeout=20.0)).seen
        assert broken(seen) == [], f"step {step}"


@pytest.mark.parametrize("timeout", [0.3, 1.0, 4.2, 9.9, 14.0, 19.4, 25.3, 60.7])
def test_a_wait_for_many_ends_in_time(timeout: float) -> None:
    """The image that hasn't settled is told within half a second; till then it is looked at all the time."""
    first = First(exact(wait=True, timeout=timeout, takes=(90.0, 90.0), stale=0.01))
    (told,) = first.seen.told
    assert told.error
    assert told.error.kind == "pending"
    (request,) = first.requests
    assert 0 <= told.when - request.sent - timeout < 0.45
    assert all(after - before <= 1.5 for before, after in pairwise(first.lists))


def test_a_failure_that_nobody_saw_begin_is_believed_after_ten_seconds() -> None:
    """Before that it may be an earlier one, which a late read shows."""
    fails: dict[str, Any] = {"wait": True, "timeout": 60.0, "takes": (0.0, 0.0), "failing": frozenset({1})}
    late = {"UpdateImage": 0.25}  # so that the update is accepted some seconds after the beginning
    for setup in (alone(**fails), exact(**fails, rates=late)):
        took = []
        for seed in range(20):
            first = First(setup, seed)
            (told,) = first.seen.told
            assert told.error
            assert told.error.code == "UPDATE_FAILED"
            took.append(told.when - first.requests[-1].sent)
        assert min(took) >= 10
        assert min(took) < 10.5
        assert max(took) < 11.6


def test_an_image_at_rest_is_watched_for_six_seconds_after_a_lost_reply() -> None:
    """As long as a read may lag; then the request was not carried out."""
    setup = alone(update("reset before"), attempts=1, wait=False)
    took = [told.when for seed in range(20) for told in First(setup, seed).seen.told]
    assert len(took) == 20
    assert min(took) >= 6
    assert min(took) < 6.5
    assert max(took) < 7.5


def test_an_image_at_work_is_watched_for_a_minute_after_a_lost_reply() -> None:
    """By then an update has ended, be it ours or somebody else's."""
    (told,) = First(alone(update("reset after"), attempts=1, takes=(90.0, 90.0), wait=False)).seen.told
    assert told.result == "unknown"
    assert 60 <= told.when < 60.1


def test_a_failure_that_was_seen_to_begin_is_told_at_once() -> None:
    """It is no earlier one."""
    for setup in (alone, exact):
        fails = setup(wait=True, takes=(3.0, 3.0), failing=frozenset({1}))
        for seed in range(8):
            first = First(fails, seed)
            (told,) = first.seen.told
            assert told.error
            assert told.error.code == "UPDATE_FAILED"
            assert 0 <= told.when - first.requests[0].ends < 1.6


def test_a_bug_before_anything_was_sent_leaves_no_doubt() -> None:
    """An image that was never sent was not updated."""
    first = First(exact(Event("a bug", 1, "write")))
    (told,) = first.seen.told
    assert told.error
    assert "BugError" in told.error.message
    assert told.result == "not-applied"
    assert not first.requests


class Served:
    """A service with one image, and the sender of its job. `meanwhile` is done while an update is sent."""

    region, attempts = "us-east-1", 1

    def __init__(self, meanwhile: Callable[["Served"], object] = lambda _: None) -> None:
        self.sent: list[ImageUpdate] = []
        self.told: list[tuple[Job, Outcome]] = []
        self._meanwhile = meanwhile
        update = ImageUpdate("my-image", {"Description": "new"})
        image = Image({"ImageName": "my-image", "ImageArn": ARN, "ImageStatus": "CREATED"})
        self._now = 0.0
        clock = Clock(lambda: self._now, self._pass)
        options = FleetOptions(concurrency=1, max_failures=None, max_unsettled=None, wait=False, timeout=0)
        paced = Paced(self, clock=clock, threads=THREADS)
        self.job = Job(Entry(1, update), paced, 1, image, 0.0, plan(image, update, self.region))
        self.sender = Sender(options, rollback=None, clock=clock, threads=THREADS, put=self.told.append)

    def _pass(self, seconds: float) -> None:
        self._now += seconds

    def once(self) -> "Served":
        return self

    def update(self, update: ImageUpdate, progress: Progress) -> str:
        self.sent.append(update)
        self._meanwhile(self)
        return ARN

    def describe(self, name: str, *, within: float | None = None) -> Image:
        return self.job.current

    def page(self, token: str | None = None, *, within: float | None = None, **filters: object) -> Page:
        return Page([self.job.current], None)


def test_an_image_is_in_doubt_as_soon_as_its_request_may_leave() -> None:
    """Not before. Whoever ends the process just then names it."""
    named: list[list[str]] = []
    served = Served(lambda served: named.append(served.sender.close([served.job])))
    assert served.sender.in_doubt([served.job]) == []
    served.sender.send(served.job)
    assert named == [["my-image"]]
    assert [outcome.result for _, outcome in served.told] == ["requested"]


@pytest.mark.parametrize(
    ("outcome", "names"), [("not-applied", []), ("unknown", ["my-image"]), ("applied", ["my-image"])]
)
def test_an_image_is_in_doubt_until_it_is_known_to_be_turned_away(outcome: Applied, names: list[str]) -> None:
    """Whatever it failed with: an update can be carried out where nobody meant it, in another account."""

    def fail(_: Served) -> None:
        raise ImagectlError("access", "it is so", outcome=outcome)

    served = Served(fail)
    served.sender.send(served.job)
    assert served.sender.in_doubt([served.job]) == names


def test_nothing_is_sent_after_the_images_in_doubt_were_named() -> None:
    """A thread that was about to send comes too late: what it would change is not among the names."""
    served = Served()
    assert served.sender.close([served.job]) == []
    served.sender.send(served.job)
    assert served.sent == []
    ((_, outcome),) = served.told
    assert outcome.error
    assert (outcome.result, outcome.error.image_name, outcome.error.region) == (
        "not-applied",
        "my-image",
        "us-east-1",
    )


class Slow:
    """Shows an earlier update's failure, in replies that take four seconds."""

    region, attempts = "us-east-1", 1

    def __init__(self) -> None:
        self.now, self.looks = 0.0, list[float]()

    def once(self) -> "Slow":
        return self

    def update(self, update: ImageUpdate, progress: Progress) -> str:
        raise NotImplementedError

    def describe(self, name: str, *, within: float | None = None) -> Image:
        self.looks.append(self.now)
        self.now += 4
        return Image({"ImageName": name, "ImageArn": ARN, "ImageStatus": "UPDATE_FAILED"})

    def page(self, token: str | None = None, *, within: float | None = None, **filters: object) -> Page:
        return Page([self.describe("my-image")])


@pytest.mark.parametrize("size", [1, 1000])
def test_a_failure_is_as_old_as_the_look_that_showed_it(size: int) -> None:
    """A reply that comes ten seconds after the acceptance, but was asked for before, may be a late read."""
    service, update, told = Slow(), ImageUpdate("my-image", {"Description": "new"}), list[ImagectlError]()
    clock = Clock(lambda: service.now, random=lambda: 0.0)
    watcher = Watcher(service, size, 60.0, clock, THREADS, THREADS.event())
    judge = Judge(update, service.region)
    watcher.expect(Waiting(update, lambda error, _: told.extend([error] if error else []), 0.0, judge))
    while (pause := watcher.round()) is not None:
        service.now += pause
    assert [error.code for error in told] == ["UPDATE_FAILED"]
    assert service.looks[-2] < 10 <= service.looks[-1]
