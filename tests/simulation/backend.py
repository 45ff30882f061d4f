"""The service of one account and region: its images through time, its rates, and what it was asked to do.

Knows nothing of what the client gets to see of that. What is true of an image is in its history, also what is
still to come: by that every claim is judged.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from imagectl.image import MOVING, PROPERTIES

Fields = dict[str, Any]
# What the service says: an HTTP status, and the reply's fields or the error's code.
Answer = tuple[int, Fields | str]
THROTTLED: Answer = (400, "ThrottlingException")


class Place(NamedTuple):
    """Where an image is."""

    account: str
    region: str


class Nature(NamedTuple):
    """What the service is like, in one world."""

    rates: Mapping[str, float] = MappingProxyType(
        {}
    )  # requests a second by operation, as many at once; absent: no limit
    takes: tuple[float, float] = (0.5, 3.0)  # seconds, of an update
    stale: float = 0.0  # seconds by which a read may lag
    shows_early: bool = False  # the new values while UPDATING
    failing: frozenset[int] = frozenset()  # which updates fail, by their number
    trims: frozenset[str] = frozenset()  # the images whose Description is not kept as it is sent
    turned_away: frozenset[str] = frozenset()  # the images whose every update is throttled
    page: int = 100


@dataclass(slots=True, eq=False)
class Request:
    """One UpdateImage as it was sent; what came of it."""

    run: int
    name: str
    values: dict[str, str | None]
    sent: float
    fate: str = "own"
    carried: float | None = None  # when the service accepted it
    ends: float = 0.0  # when that is over
    failed: bool = False  # by then
    applied: bool = False
    throttled: bool = False


@dataclass(slots=True, eq=False)
class PlayedImage:
    """An image through time: how it is from which moment on; None where it is not there."""

    history: list[tuple[float, Fields | None]]

    def at(self, when: float) -> Fields | None:
        return next((fields for since, fields in reversed(self.history) if since <= when), None)

    @property
    def last(self) -> Fields | None:
        return self.history[-1][1]


class Backend:
    def __init__(
        self,
        place: Place,
        nature: Nature,
        *,
        now: Callable[[], float],
        chance: Callable[[], float],
        log: Callable[..., None],
    ) -> None:
        self.place, self.nature = place, nature
        self._now, self._chance, self._log = now, chance, log
        self.images: dict[str, PlayedImage] = {}
        self.requests: list[Request] = []
        self.asked: Counter[tuple[int, str]] = Counter()  # by run and operation
        self.throttled: Counter[tuple[int, str]] = Counter()  # and heard it
        self._tokens = dict(nature.rates)
        self._filled = dict.fromkeys(nature.rates, 0.0)
        self.updates = 0

    def arn(self, name: str) -> str:
        return f"arn:aws:sagemaker:{self.place.region}:{self.place.account}:image/{name}"

    def add(self, name: str, values: dict[str, str]) -> None:
        fields = {
            "ImageName": name,
            "ImageArn": self.arn(name),
            "ImageStatus": "CREATED",
            "CreationTime": -1000.0,
            "LastModifiedTime": -1000.0,
            **values,
        }
        self.images[name] = PlayedImage([(float("-inf"), fields)])

    def describe(self, name: str) -> Answer:
        if not self._admits("DescribeImage"):
            return THROTTLED
        image = self.images.get(name)
        fields = image.at(self._readable()) if image else None
        return (200, fields) if fields else (400, "ResourceNotFound")

    def list(self, token: int) -> Answer:
        if not self._admits("ListImages"):
            return THROTTLED
        end = token + self.nature.page
        names = list(self.images)
        found = [fields for name in names[token:end] if (fields := self.images[name].at(self._readable()))]
        listed = [{key: value for key, value in fields.items() if key != "RoleArn"} for fields in found]
        return 200, {"Images": listed, **({"NextToken": str(end)} if end < len(names) else {})}

    def update(self, request: Request) -> Answer:
        """Carry it out, unless that can't be now."""
        if not self._admits("UpdateImage") or request.name in self.nature.turned_away:
            request.throttled = True
            return THROTTLED
        return self._change(request.name, request.values, request)

    def meddle(self, kind: str, name: str, wanted: dict[str, str | None]) -> bool:
        """Somebody else does something to an image; False where that can't be now."""
        image, now = self.images[name], self._now()
        if image.last is None or image.history[-1][0] > now:
            return False
        if kind == "deletes":
            image.history += [(now, {**image.last, "ImageStatus": "DELETING"}), (now + 2, None)]
            return True
        values: dict[str, str | None] = {"DisplayName": "Somebody else's"}
        if kind == "sets the same":
            values = wanted
        elif kind == "sets other values":
            values = {key: value and f"{value} of somebody else" for key, value in wanted.items() if value}
            values["Description"] = "somebody else's"
            values.pop("RoleArn", None)
        self._change(name, values, None, fails=kind == "update fails")
        return True

    def _change(
        self, name: str, values: dict[str, str | None], request: Request | None, *, fails: bool = False
    ) -> Answer:
        image, now = self.images.get(name), self._now()
        before = image.at(now) if image else None
        if image is None or before is None:
            return 400, "ResourceNotFound"
        if image.history[-1][0] > now or before["ImageStatus"] in MOVING:
            return 400, "ResourceInUse"
        after: Fields = {key: value for key, value in before.items() if key != "FailureReason"}
        after |= {"ImageStatus": "CREATED", "LastModifiedTime": now}
        for key in PROPERTIES:
            if key in values:
                after.pop(key, None)
                if (value := values[key]) is not None:
                    after[key] = value.strip() if name in self.nature.trims else value
        if request:
            self.updates += 1
            request.carried = now
            request.failed = fails = self.updates in self.nature.failing
            request.applied = not fails
        if fails:
            after = {
                **before,
                "ImageStatus": "UPDATE_FAILED",
                "FailureReason": "it is so",
                "LastModifiedTime": now,
            }
        shown = after if self.nature.shows_early and not fails else before
        low, high = self.nature.takes
        ends = now + low + (high - low) * self._chance()
        if request:
            request.ends = ends
        updating = {**shown, "ImageStatus": "UPDATING", "LastModifiedTime": now}
        image.history += [(now, updating), (ends, after)]
        self._log("carried out" if request else "somebody else", name, values)
        return 200, {"ImageArn": self.arn(name)}

    def _readable(self) -> float:
        """As of when a read that comes now sees the images."""
        lag = self.nature.stale
        return self._now() - (lag * self._chance() if lag else 0)

    def _admits(self, operation: str) -> bool:
        """The token bucket of an operation."""
        rate = self.nature.rates.get(operation)
        if rate is None:
            return True
        now = self._now()
        tokens = min(max(rate, 1.0), self._tokens[operation] + (now - self._filled[operation]) * rate)
        self._filled[operation] = now
        self._tokens[operation] = tokens - (tokens >= 1)
        return tokens >= 1
