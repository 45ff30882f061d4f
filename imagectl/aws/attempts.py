"""What is known of one call: how often it was tried, and whether the service may have carried it out.

Decided by where an attempt ended, never by the words of a failure. Imports nothing of AWS's.
"""

from dataclasses import dataclass
from typing import Any

from imagectl.aws.faults import NEVER_CARRIED_OUT
from imagectl.errors import Applied
from imagectl.image import Progress


@dataclass(slots=True)
class Attempts:
    """The attempts of one call, in one thread. `progress` is kept up to date where an update is meant."""

    progress: Progress | None = None
    begun: int = 0
    answered: int = 0  # how many came to a reply that can be read, or visibly to none
    doubts: int = 0  # of how many something may have reached the service, and is not known to be turned away
    late: bool = False  # whether one of them may still be carried out, whatever came of the others

    def begin(self) -> None:
        self.begun += 1
        self._tell(0)

    def write(self) -> None:
        """From here on something of the request may arrive."""
        self._tell(1)

    def receive(self, parsed_response: dict[str, Any] | None, exception: Exception | None) -> None:
        self.answered += 1
        turned_away = False
        if exception is not None:
            turned_away = isinstance(exception, NEVER_CARRIED_OUT)
            self.late |= type(exception).__name__ == "ReadTimeoutError"
        elif parsed_response is not None:
            meta = parsed_response.get("ResponseMetadata", {})
            status = meta.get("HTTPStatusCode", 0)
            turned_away = 400 <= status < 500 and status != 408
            # A gateway doesn't know what becomes of a request that it has passed on.
            self.late |= status in {408, 504} or (status >= 500 and not meta.get("RequestId"))
        self._tell(-turned_away)

    def _tell(self, doubts: int) -> None:
        self.doubts += doubts
        if self.progress:
            self.progress.outcome = self.outcome
            self.progress.doubts += doubts

    @property
    def outcome(self) -> Applied:
        return "unknown" if self.doubts else "not-applied"

    def facts(self, operation: str) -> dict[str, Any]:
        """What an error of this call says of its attempts."""
        facts = {"attempts": self.begun or None}
        if operation != "UpdateImage":
            return facts
        return {**facts, "outcome": self.outcome, "late": self.late}
