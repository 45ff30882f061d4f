"""The pace alone, against token buckets of the rates and latencies that a fleet may meet."""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import pairwise
from random import Random
from typing import NamedTuple

import pytest

from imagectl.fleet.rate import Pace

Rate = Callable[[float], float]  # admitted a second, at a time


class Sent(NamedTuple):
    """One request."""

    when: float
    admitted: bool


class Lane:
    """Threads that send all they may, to a bucket that holds one second's worth."""

    def __init__(self, rate: Rate | float, *, latency: float = 0.02, threads: int = 8) -> None:
        self.pace, self.now = Pace(), 0.0
        self._rate: Rate = rate if callable(rate) else lambda _: rate
        self._latency, self._threads = latency, threads
        self._random = Random(1).random
        self._tokens, self._filled = max(1.0, self._rate(0.0)), 0.0
        self._flying: list[tuple[float, Sent]] = []

    def send(self, seconds: float) -> list[Sent]:
        """All requests of so many seconds."""
        sent, end = list[Sent](), self.now + seconds
        while self.now < end:
            while self._flying and self._flying[0][0] <= self.now:
                _, request = heappop(self._flying)
                if request.admitted:
                    self.pace.admitted(self.now)
                else:
                    self.pace.throttled(request.when, self.now)
            free = len(self._flying) < self._threads
            delay = self.pace.delay(self.now) if free else end
            if delay:
                self.now = min(self.now + delay, end, *(there for there, _ in self._flying[:1]))
                continue
            self.pace.sent(self.now)
            sent.append(self._arrive())
        return sent

    def _arrive(self) -> Sent:
        at = self.now + self._latency / 2
        rate = self._rate(at)
        self._tokens = min(max(1.0, rate), self._tokens + (at - self._filled) * rate)
        self._filled = at
        request = Sent(self.now, self._tokens >= 1)
        self._tokens -= request.admitted
        heappush(self._flying, (self.now + self._latency * (1 + self._random()) / 2, request))
        return request


def used(sent: list[Sent], rate: float, seconds: float) -> float:
    """The share of what could be admitted that was."""
    return sum(request.admitted for request in sent) / rate / seconds


def turned_away(sent: list[Sent]) -> float:
    return sum(not request.admitted for request in sent) / len(sent)


@pytest.mark.parametrize("rate", [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0])
@pytest.mark.parametrize("latency", [0.01, 0.1])
@pytest.mark.parametrize("threads", [8, 32])
def test_a_rate_is_found_and_used(rate: float, latency: float, threads: int) -> None:
    """Soon all of it is used, and about one request in ten is turned away; finding it costs few."""
    lane = Lane(rate, latency=latency, threads=threads)
    beginning = lane.send(5 + 30 / rate)
    assert sum(not request.admitted for request in beginning) < 15 + 2 * threads + len(beginning) * 0.15
    seconds = 400 / rate
    sent = lane.send(seconds)
    assert used(sent, rate, seconds) > (0.96 if rate > 1 else 0.88)  # one token can't be saved up
    assert 0.06 < turned_away(sent) < 0.13


def test_nothing_is_slowed_down_before_a_throttle() -> None:
    """As long as all is admitted there is no rate."""
    pace, now = Pace(), 0.0
    for _ in range(1000):
        assert pace.delay(now) == 0
        pace.sent(now)
        now += 0.001
        pace.admitted(now)


def test_the_first_throttle_slows_down() -> None:
    """Whatever else was admitted at the same time."""
    pace = Pace()
    for _ in range(3):
        pace.sent(0.0)
    pace.admitted(0.1)
    pace.throttled(0.0, 0.1)
    pace.admitted(0.1)
    assert pace.delay(0.1) > 0


def test_probes_come_at_doubling_intervals() -> None:
    """From the first throttle on, one at a time: so the rate is soon found, whatever it is."""
    pace, now, pauses = Pace(), 0.0, list[float]()
    for _ in range(12):
        pace.sent(now)
        pace.throttled(now, now)
        pauses.append(pace.delay(now))
        now += pauses[-1]
    assert pauses == pytest.approx([0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10, 10, 10])


@pytest.mark.parametrize(
    ("before", "after", "seconds"),
    [(5, 50, 20), (50, 5, 5), (10, 12, 10), (12, 10, 5), (1, 20, 70), (0.5, 10, 90)],
)
def test_a_rate_that_changes_is_followed(before: float, after: float, seconds: float) -> None:
    """Up or down: soon all of the new one is used, and no more is asked for."""
    lane = Lane(lambda when: before if when < 100 else after)
    lane.send(100 + seconds)
    sent = lane.send(60)
    assert used(sent, after, 60) > 0.95
    assert 0.06 < turned_away(sent) < 0.13


@pytest.mark.parametrize("seconds", [5, 20, 60, 120])
@pytest.mark.parametrize("rate", [2.0, 20.0])
def test_what_others_took_is_used_again(seconds: int, rate: float) -> None:
    """After a time in which nothing was admitted, in which it was asked ever less, the rate is soon back."""
    lane = Lane(lambda when: rate if not 30 < when < 30 + seconds else 0.0)
    lane.send(30)
    assert len(lane.send(seconds)) < 10 + seconds / 8
    lane.send(30)
    assert used(lane.send(60), rate, 60) > 0.95


def test_a_service_that_admits_nothing_is_asked_now_and_then() -> None:
    """Every ten seconds or so at last: an end is soon noticed."""
    lane = Lane(0.0)
    times = [request.when for request in lane.send(600)]
    gaps = [later - before for before, later in pairwise(times)]
    assert max(gaps) < 12
    assert len(times) < 100
    assert min(gaps[-10:]) > 9


@pytest.mark.parametrize("idle", [0.5, 5.0, 500.0])
def test_idleness_saves_up_no_burst(idle: float) -> None:
    """After a while without requests they come at the rate that was found."""
    lane = Lane(10.0)
    lane.send(60)
    lane.now += idle
    assert len(lane.send(2.0)) <= 25
