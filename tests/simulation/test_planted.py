"""The tests' own test: what was wrong once, or easily could be, is planted, and some seed tells of it."""

from collections.abc import Callable
from typing import Any

import pytest
from simulation.backend import Answer, Backend
from simulation.client import Client
from simulation.disk import Disk
from simulation.events import FATES
from simulation.invariants import broken
from simulation.setup import draw
from simulation.world import World

from imagectl.errors import ImagectlError
from imagectl.fleet.pool import Threads
from imagectl.image import ImageUpdate, Outcome, Progress

SEEDS = range(1500)


class LastFailureDecides(World):
    """Of several attempts, only the last one's failure says whether the update may have been carried out."""

    def connect(self, profile: str | None, region: str | None) -> Client:
        class Forgetful(Client):
            def update(self, update: ImageUpdate, progress: Progress) -> str:
                try:
                    return super().update(update, progress)
                except ImagectlError as error:
                    last = FATES[self._backend.requests[-1].fate]
                    if 400 <= last.status < 500:
                        raise error.but(outcome="not-applied") from None
                    raise error.but(late=False) from None

        return Forgetful(self.backend(profile, region), self.setup.network, self.scheduler, self)


class WrongRegion(World):
    """Every connection is to the profile's default region."""

    def connect(self, profile: str | None, region: str | None) -> Client:
        return super().connect(profile, None)


class NeverStarts(World):
    """A thread that could not be had is taken for one that runs."""

    def threads(self) -> Threads:
        threads = super().threads()

        def start(work: Callable[[], None]) -> bool:
            threads.start(work)
            return True

        return threads._replace(start=start)


class LocksNothing(World):
    """Locks keep nobody out: two threads ask for the next image at the same time."""

    def threads(self) -> Threads:
        class Open:
            def __enter__(self) -> bool:
                return True

            def __exit__(self, *_: object) -> None:
                pass

        return super().threads()._replace(lock=Open)


class SyncsNothing(World):
    """What is written waits for the system to write it."""

    def __init__(self, *setup: Any) -> None:
        super().__init__(*setup)

        class Lazy(Disk):
            def fsync(self, fd: int) -> None:
                pass

        self.disk = Lazy(self._disk_event, self.scheduler.step)


class ShowsTooEarly(World):
    """What is asked for is taken for what is there."""

    def connect(self, profile: str | None, region: str | None) -> Client:
        backend = self.backend(profile, region)
        described: Callable[[str], Answer] = Backend.describe.__get__(backend)

        def describe(name: str) -> Answer:
            status, fields = described(name)
            if isinstance(fields, dict) and fields["ImageStatus"] == "UPDATING":
                return status, backend.images[name].last or fields
            return status, fields

        backend.describe = describe  # type: ignore[method-assign]
        return super().connect(profile, region)


class ForgetsRecords(World):
    """A record gets lost now and then."""

    def tell(self, place: Any, outcome: Outcome) -> None:
        if self.scheduler.jitter() > 0.1:
            super().tell(place, outcome)


class SaysUnknown(World):
    """Whatever failed is said to be unknown."""

    def tell(self, place: Any, outcome: Outcome) -> None:
        if outcome.error:
            outcome = Outcome(result="unknown", name=outcome.name, region=outcome.region, error=outcome.error)
        super().tell(place, outcome)


@pytest.mark.parametrize(
    ("world", "promise"),
    [
        (LastFailureDecides, "not_applied_is_never_applied"),
        (WrongRegion, "only_what_is_declared_is_sent"),
        (NeverStarts, "every_run_ends"),
        (LocksNothing, "no_thread_dies"),
        (SyncsNothing, "what_is_sent_can_be_undone"),
        (ShowsTooEarly, "updated_is_settled"),
        (ForgetsRecords, "every_image_that_was_sent_is_told"),
        (SaysUnknown, "unknown_is_what_nobody_can_know"),
    ],
)
def test_what_is_planted_is_found(world: type[World], promise: str) -> None:
    """A promise that the planted fault breaks is seen broken."""
    found = (name for seed in SEEDS for name, _ in broken(world(draw(seed), seed).play()))
    assert promise in found
