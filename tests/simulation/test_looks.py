"""How an image is looked at while somebody waits: how often, how long, and to which end."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from simulation.__main__ import described, play, traced
from simulation.events import Event
from simulation.invariants import broken
from simulation.setup import Setup
from simulation.test_found import update, world
from simulation.world import World

from imagectl.errors import ImagectlError, Kind
from imagectl.image import Image, ImageUpdate
from imagectl.update import Clock, Look, Options, looks, pending

IMAGE = Image({"ImageName": "my-image", "ImageStatus": "UPDATING"})


class Wait:
    """A wait in made-up time: when each look began, how long it was given, what was seen."""

    def __init__(
        self, limit: float, *, takes: Callable[[float], float] = lambda _: 0.0, chance: float = 0.0
    ) -> None:
        self.now, self._takes = 1000.0, takes
        self.began: list[float] = []
        self.given: list[float] = []
        self.pauses: list[float] = []
        clock = Clock(lambda: self.now, self._sleep, lambda: chance)
        self.seen: list[Look] = list(looks(self._look, clock, limit))
        self.took = self.now - 1000.0

    def _look(self, within: float) -> Image:
        self.began.append(self.now - 1000.0)
        self.given.append(within)
        self.now += self._takes(within)
        return IMAGE

    def _sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.pauses.append(seconds)
        self.now += seconds


LIMITS = [0.0, 0.3, 1.0, 7.0, 60.0, 600.0]


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_news_is_soon_told(limit: float, chance: float) -> None:
    """A look at once, the next within a second, all others within two; after two minutes within five.

    What settles sooner is told sooner.
    """
    wait = Wait(limit, chance=chance)
    assert wait.began[0] == 0
    assert all(pause < 1 for pause in wait.pauses[:1])
    for before, after in pairwise(wait.began):
        assert after - before <= min(0.5 + before / 2, 2 if after < 120 else 5)
    assert limit <= wait.took < limit + 0.06
    assert wait.began[-1] >= limit * 0.99


def test_a_long_wait_costs_few_looks() -> None:
    """At first about one a second, after two minutes one in four seconds or so; never many in a row."""
    wait = Wait(600)
    assert len([began for began in wait.began if began < 10]) < 13
    assert len([began for began in wait.began if began < 120]) < 100
    assert len([began for began in wait.began if began >= 120]) < 110
    # Near the end the last look may come soon after the one before, or the wait would end unseen.
    assert all(after - before > 0.35 for before, after in list(pairwise(wait.began))[:-10])


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("part", [0.1, 1.0])
def test_a_wait_ends_a_second_late_at_most(limit: float, part: float) -> None:
    """However long its looks take: each is given what is left of the wait, ten seconds at most."""
    wait = Wait(limit, takes=lambda within: within * part)
    assert limit <= wait.took <= limit + 1.06
    for began, given in zip(wait.began, wait.given, strict=True):
        assert given <= min(10, max(1, limit - began))
        assert given >= min(10, limit - began)


def test_waiters_do_not_look_in_step() -> None:
    """Chance makes a pause up to a fifth shorter, never longer."""
    longest, half, shortest = (Wait(60, chance=chance).pauses[0] for chance in (0.0, 0.5, 1.0))
    assert longest * 0.75 < shortest < half < longest


def test_a_look_is_as_old_as_its_beginning() -> None:
    """What a slow look shows is no newer than when it was asked for."""
    wait = Wait(60, takes=lambda _: 3.0)
    assert [look.waited for look in wait.seen] == pytest.approx(wait.began)
    assert all(look.read() is IMAGE for look in wait.seen)


@pytest.mark.parametrize(
    ("kind", "passes"), [("transient", True), ("refused", True), ("access", False), ("not-found", False)]
)
def test_a_look_that_fails_is_made_again(kind: Kind, passes: bool) -> None:
    """Where that may pass: throttled, cut off, or somebody else's page. All else ends the wait at once."""
    failure, now, asked = ImagectlError(kind, "it is so"), [0.0], list[float]()

    def look(_within: float) -> Image:
        asked.append(now[0])
        if len(asked) < 3:
            raise failure
        return IMAGE

    def sleep(seconds: float) -> None:
        now[0] += seconds

    seen = looks(look, Clock(lambda: now[0], sleep, lambda: 0.0), 2.0)
    if passes:
        first, second, third, *_ = seen
        assert (first.image, second.failure, third.image) == (None, failure, IMAGE)
        with pytest.raises(ImagectlError, match="it is so"):
            first.read()
    else:
        with pytest.raises(ImagectlError, match="it is so"):
            list(seen)
        assert len(asked) == 1


def look(kind: str, at: int = 1, times: int = 1) -> Event:
    return Event(kind, at, "DescribeImage", times)


SAME = {"Description": "old"}
SOMEBODY: dict[str, Any] = {"latency": 1.0, "takes": (3.0, 5.0)}  # whose update is under way when ours comes
WAITS = {
    "busy once": world("update", update("in use")),
    "busy for a while": world("update", update("in use", times=4)),
    "busy all the time": world("update", update("in use", times=60), timeout=5.0),
    "busy, and nobody waits": world("update", update("in use"), wait=False),
    "busy, then refused": world("update", update("in use"), update("invalid", 2)),
    "busy, then refused for a while": world("update", update("in use", times=3), update("denied", 4, 9)),
    "busy, and looks fail": world("update", update("in use", times=2), look("503", times=3)),
    "busy, and nothing can be seen": world(
        "update", update("in use"), look("503", times=60), attempts=1, timeout=5.0
    ),
    "busy, and it may not be looked at": world("update", update("in use"), look("denied")),
    "busy, then a reply is lost": world("update", update("in use"), update("reset after", 2), attempts=1),
    "busy with an update of ours whose reply was lost": world(
        "update", update("timeout after"), attempts=2, takes=(32.0, 40.0), timeout=60.0
    ),
    "somebody else's": world("update", Event("sets other values", 0, "second"), **SOMEBODY),
    "somebody else's fails": world("update", Event("update fails", 0, "second"), **SOMEBODY),
    "somebody else's is the same": world("update", Event("sets the same", 0, "second"), **SOMEBODY),
    "somebody else's is the same, which is enough": world(
        "update", Event("sets the same", 0, "second"), if_changed=True, **SOMEBODY
    ),
    "somebody else's is another, which is not": world(
        "update", Event("sets other values", 0, "second"), if_changed=True, **SOMEBODY
    ),
    "somebody else changes what was as it should be": world(
        "update", Event("sets other values", 0, "second"), if_changed=True, wanted=SAME, **SOMEBODY
    ),
    "nothing to do": world("update", if_changed=True, wanted=SAME),
    "nothing to do for who waits for nothing": world("update", if_changed=True, wanted=SAME, wait=False),
    "nothing to do, but it failed": world(
        "update",
        Event("update fails", 0, "second"),
        if_changed=True,
        wanted=SAME,
        takes=(0.0, 0.1),
        latency=1.0,
    ),
    "nothing to do, but it failed while nothing was seen": world(
        "update", look("timeout before"), Event("update fails", 0, "second"), if_changed=True, wanted=SAME
    ),
    "something to do": world("update", if_changed=True),
    "a dry run": world("update", dry_run=True),
    "a dry run with nothing to do": world("update", dry_run=True, if_changed=True, wanted=SAME),
    "looks fail for a while": world("update", look("503", times=4), look("page before", 6)),
    "looks fail to the end": world("update", look("503", 2, 60), takes=(5.0, 8.0), timeout=5.0),
    "looks hang": world("update", look("timeout before", 2, 60), takes=(5.0, 8.0), timeout=7.0),
    "it may not be looked at": world("update", look("denied", 2)),
    "too slow": world("update", takes=(20.0, 30.0), timeout=5.0),
    "too slow, and seen early": world("update", takes=(20.0, 30.0), timeout=5.0, shows_early=True),
    "it fails": world("update", failing=frozenset({1})),
    "it fails, and is read late": world("update", failing=frozenset({1}), stale=4.0),
    "it never is as asked for": world(
        "update", wanted={"Description": "new "}, trims=frozenset({"image-0"}), timeout=5.0
    ),
    "it is written another way, then somebody else's fails": world(
        "update",
        Event("update fails", 1, "second"),
        wanted={"Description": "old "},
        trims=frozenset({"image-0"}),
        takes=(0.0, 0.9),
    ),
    "it is deleted meanwhile": world("update", Event("deletes", 1, "second"), takes=(5.0, 8.0)),
    "a reply is lost, and somebody else changes it before it is seen": world(
        "update",
        update("reset after"),
        look("503", times=5),
        Event("sets other values", 3, "second"),
        attempts=1,
        takes=(2.1, 2.3),
    ),
    "a reply is lost, and nothing can be seen": world(
        "update", update("reset after"), look("503", times=90), attempts=1
    ),
    "a reply is lost for longer than one waits": world(
        "update", update("timeout after"), attempts=1, takes=(90.0, 95.0), shows_early=True
    ),
    "a reply is lost, and it fails": world(
        "update", update("reset after"), attempts=1, failing=frozenset({1})
    ),
    "a reply is lost, and what failed is the update before": world(
        "update", update("reset after", 2), attempts=1, failing=frozenset({1}), stale=4.0, at_once=True
    ),
    "a request is lost": world("update", update("reset before"), attempts=1),
}
FOR_OTHERS = {
    "at rest": world("wait"),
    "somebody else's update": world("wait", Event("sets other values", 0, "second"), latency=1.0),
    "too slow": world(
        "wait", Event("sets other values", 0, "second"), latency=1.0, takes=(20.0, 30.0), timeout=5.0
    ),
    "it fails": world("wait", Event("update fails", 0, "second"), latency=1.0),
    "it is deleted": world("wait", Event("deletes", 0, "second"), latency=1.0),
    "nothing can be seen": world("wait", look("503", times=90), timeout=5.0),
    "nothing can be seen at first": world("wait", look("503", times=3), timeout=20.0),
}


@pytest.mark.parametrize("setup", WAITS.values(), ids=WAITS)
def test_promises_hold_whatever_a_wait_comes_to(setup: Setup) -> None:
    """In many orders and at many moments."""
    for seed in range(8):
        seen = play(setup, seed)
        found = [text for _, text in broken(seen)]
        assert not found, "\n".join([f"seed {seed}", *found, described(setup), *traced(seen)])


@pytest.mark.parametrize("setup", FOR_OTHERS.values(), ids=FOR_OTHERS)
def test_promises_hold_where_somebody_only_waits(setup: Setup) -> None:
    """`imagectl wait`, which sends nothing and says nothing of an update."""
    for seed in range(8):
        seen = World(setup, seed).play_first()
        found = [text for _, text in broken(seen)]
        error = seen.runs[0].error
        if error and (error.outcome or "update" in error.message):
            found.append(error.message)
        assert not found, "\n".join([f"seed {seed}", *found, described(setup), *traced(seen)])


def test_a_wait_that_saw_nothing_tells_why() -> None:
    """And one that saw the image tells what it saw: that it is late."""
    unseen = World(FOR_OTHERS["nothing can be seen"], 1).play_first().runs[0].error
    assert unseen
    assert (unseen.kind, unseen.http_status) == ("transient", 503)
    slow = FOR_OTHERS["too slow"]
    slow = slow._replace(events=(*slow.events, look("503", 4, 60)))
    errors = [World(slow, seed).play_first().runs[0].error for seed in range(8)]
    assert {error.kind for error in errors if error} == {"pending"}


def test_nobody_waits_long_for_what_nobody_can_know() -> None:
    """Where a reply was lost and no look succeeds, that is told within some seconds, not a minute."""
    for seed in range(4):
        first = World(WAITS["a reply is lost, and nothing can be seen"], seed).play_first().runs[0]
        assert first.error
        assert first.error.outcome == "unknown"
        assert first.ended < 12


def test_a_look_that_fails_is_not_the_last_word() -> None:
    """After a lost reply the next one may tell what became of the update."""
    for seed in range(4):
        setup = world("update", update("reset after"), look("503", times=3), attempts=1, wait=False)
        seen = World(setup, seed).play_first()
        assert [told.result for told in seen.told] == ["requested"]


def test_what_cannot_settle_any_more_is_told_at_once() -> None:
    """An image that somebody deletes is told to be in deletion, not waited for until it is gone."""
    trimmed: dict[str, Any] = {
        "wanted": {"Description": "new "},
        "trims": frozenset({"image-0"}),
        "takes": (0.0, 0.01),
    }
    for seed in range(4):
        setup = world("update", Event("deletes", 4, "second"), **trimmed)
        error = World(setup, seed).play_first().runs[0].error
        assert error
        assert (error.code, error.outcome) == ("DELETING", "applied")


def test_what_an_image_has_instead_is_told() -> None:
    """Each property, when it is at rest; and what the last look failed with."""
    update = ImageUpdate("my-image", {"Description": "new", "DisplayName": "New", "RoleArn": "role"})
    image = Image({"ImageStatus": "CREATED", "Description": "old", "RoleArn": "role"})
    failure = ImagectlError("transient", "no route to host")
    told = pending(update, "us-east-1", 90.04, image, failure).message
    assert "Description is 'old', not 'new'" in told
    assert "DisplayName is not there, not 'New'" in told
    assert "RoleArn" not in told
    assert "90 s" in told
    assert "no route to host" in told


def test_a_plain_update_sends_at_once_and_waits_for_nothing() -> None:
    """And whoever waits has ten minutes."""
    assert Options() == Options(dry_run=False, if_changed=False, wait=False, timeout=600)
