"""The rate that the service admits: found by trying, from what is admitted and what is throttled.

Arithmetic on times that are passed in: no clock, no sleep, no lock. Knows nothing of images.

No rate is published, and a token bucket with tokens saved up admits a burst before it says anything. So
nothing is paced until the first throttle. That finds the bucket empty: from then on one request at a time
probes, at doubling intervals, and the first one admitted tells how long a token takes. From there each
admission shortens the interval by a percent, each throttle lengthens it by a tenth: in balance one request
in ten is throttled, which is the price of noticing a rate that rises. After a time without any admission the
intervals are halved again, until a throttle says that the rate is reached.
"""

_UP, _DOWN = 0.011, 0.111  # their ratio is what fixes the share of throttled requests, whatever the rate
_LONG_STREAK = 20  # admissions in a row after which the rate is taken to be far too low: faster up
_LONG_ROW = 2  # throttles in a row, more than it takes to find a rate that is known already
_FIRST = 0.02  # seconds between the first probes
_DOUBTED = 1.0  # seconds between probes; more says rather that for a while nothing was admitted at all
_LONGEST = 10.0  # seconds; a service that admits less has more to say than "Rate exceeded"


class Pace:
    """When the next request may go. Times in seconds, of any clock that doesn't go back."""

    def __init__(self) -> None:
        self.interval = 0.0  # between two requests; 0 as long as nothing was throttled
        self._next = 0.0
        self._changed = 0.0  # when the interval was last made longer
        self._doubted = False  # whether the interval may say nothing of the rate
        self._admitted = self._throttled = 0  # in a row

    def delay(self, now: float) -> float:
        """Seconds until a request may go; 0 is now."""
        return max(0.0, self._next - now)

    def sent(self, now: float) -> None:
        """A request goes."""
        self._next = now + self.interval

    def admitted(self, now: float) -> None:
        """A request was let through."""
        if self._throttled > 1:
            self._doubted = self._throttled > _LONG_ROW and self.interval > _DOUBTED
            self._next = now + self.interval / 2
        elif self._doubted:
            self.interval /= 2
            self._next = now + self.interval / 2
        self._admitted, self._throttled = self._admitted + 1, 0
        self.interval /= 1 + _UP * max(1.0, self._admitted / _LONG_STREAK)

    def throttled(self, sent: float, now: float) -> None:
        """The request sent at `sent` was turned away."""
        self._admitted = 0
        if sent < self._changed:  # on its way since before the last change: says nothing of it
            return
        self._doubted = False
        self._throttled += 1 if self.interval else 2  # what ends a burst is no single refusal
        longer = self.interval * (2 if self._throttled > 1 else 1 + _DOWN)
        self.interval = min(_LONGEST, longer or _FIRST)
        self._changed = now
        # A single refusal means a little too early: soon again, or the token that is due goes to waste.
        self._next = now + self.interval * (0.3 if self._throttled == 1 else 1)
