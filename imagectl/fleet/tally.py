"""What a run comes to, in numbers and in words."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from imagectl.errors import ImagectlError, Kind
from imagectl.fleet.sender import Job
from imagectl.image import Outcome


@dataclass(slots=True)
class Tally:
    """How many images came to what. `stopped` says why nothing new was sent, where that happened."""

    total: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    stopped: str = ""
    error: ImagectlError | None = None  # what concerns the whole run

    @classmethod
    def of(cls, jobs: Sequence[Job]) -> "Tally":
        """What the plan comes to."""
        return cls(len(jobs), Counter(_counted(job.outcome) for job in jobs))

    def add(self, outcome: Outcome) -> None:
        self.counts[_counted(outcome)] += 1

    @property
    def changes(self) -> int:
        return self.counts["to change"]

    @property
    def done(self) -> int:
        return self.counts.total()

    def __str__(self) -> str:
        said = [f"{count} {what}" for what in _WORDS if (count := self.counts[what])]
        stopped = f"; stopped: {self.stopped}" if self.stopped and self.counts["not sent"] else ""
        return f"{images_in_words(self.total)}: {', '.join(said) or 'nothing to do'}{stopped}"

    def verdict(self) -> ImagectlError | None:
        """The error of the whole run, if it has one."""
        if self.error:
            # The outcome of many: each has its own.
            return self.error.but(message=f"{self.error.message}; {self}", outcome=None)
        failed, late = self.counts["failed"], self.counts["not settled in time"]
        unsent = self.counts["not sent"]
        if not (failed or unsent or late):
            return None
        kind: Kind = "partial" if failed or unsent else "pending"
        hint = "to go on, run the same command again" if unsent or late else None
        return ImagectlError(kind, str(self), hint=hint)


_WORDS = ("updated", "requested", "to change", "unchanged", "failed", "not settled in time", "not sent")


def _counted(outcome: Outcome) -> str:
    if outcome.error:
        return "not settled in time" if outcome.error.kind == "pending" else "failed"
    return {"planned": "to change", "not-applied": "not sent"}.get(outcome.result, outcome.result)


def images_in_words(count: int) -> str:
    return f"{count} image{'' if count == 1 else 's'}"
