"""The one error type, and the one table from an AWS code or an exception's class to kind and exit code.

Owns which failure is of which kind. Must not import anything of AWS: classes are rows by their name, and
a test walks botocore's tree to see that none lacks a row.
"""

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

Kind = Literal[
    "internal",
    "usage",
    "not-found",
    "access",
    "refused",
    "transient",
    "partial",
    "pending",
    "interrupted",
    "terminated",
]

EXIT_CODES: dict[Kind, int] = {
    "internal": 1,
    "usage": 2,
    "not-found": 3,
    "access": 4,
    "refused": 5,
    "transient": 6,
    "partial": 7,
    "pending": 8,
    "interrupted": 130,
    "terminated": 143,
}
EXIT_CHANGES_PENDING = 10  # --detailed-exitcode: no failure, so no kind


# Codes that say more than their kind: what may be repeated at a lower rate, and what after a while.
THROTTLES = frozenset(
    (
        "LimitExceeded",
        "RequestLimitExceeded",
        "RequestThrottled",
        "SlowDown",
        "Throttled",
        "Throttling",
        "TooManyRequests",
    )
)
BUSY = frozenset(("Conflict", "ResourceInUse"))


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends what Ctrl-C ends, in the same orderly way."""


class Problem(NamedTuple):
    """One thing that is wrong with the input: where (a flag, a property, a manifest's line) and what."""

    field: str
    message: str
    line: int | None = None

    def as_json(self) -> dict[str, Any]:
        line = {"Line": self.line} if self.line is not None else {}
        return {**line, "Field": self.field, "Message": self.message}

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line is not None else ""
        return f"{where}{self.field}: {self.message}" if self.field else f"{where}{self.message}"


class ImagectlError(Exception):
    """What went wrong, for people (`message`, `hint`) and for programs (the rest).

    `outcome` is what is known of the update: `not-applied`, `applied` (the service accepted it) or
    `unknown`; None where no update was meant. Texts are raw: who shows them makes them safe.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        operation: str | None = None,
        image_name: str | None = None,
        region: str | None = None,
        request_id: str | None = None,
        http_status: int | None = None,
        attempts: int | None = None,
        outcome: Literal["not-applied", "applied", "unknown"] | None = None,
        problems: Iterable[Problem] = (),
    ) -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.message = message
        self.hint = hint
        self.code = code
        self.operation = operation
        self.image_name = image_name
        self.region = region
        self.request_id = request_id
        self.http_status = http_status
        self.attempts = attempts
        self.outcome = outcome
        self.problems = tuple(problems)

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.kind]

    @property
    def is_throttle(self) -> bool:
        """Whether the service turned the request away for its rate alone."""
        return (self.code or "").removesuffix("Exception") in THROTTLES or self.http_status == 429

    @property
    def is_busy(self) -> bool:
        """Whether the image was being changed by somebody else."""
        return (self.code or "").removesuffix("Exception") in BUSY

    def as_json(self) -> dict[str, Any]:
        """The contract's error object, keys that don't apply left out."""
        everything = {
            "Code": self.code,
            "Kind": self.kind,
            "Message": self.message,
            "Hint": self.hint,
            "Operation": self.operation,
            "ImageName": self.image_name,
            "Region": self.region,
            "RequestId": self.request_id,
            "HTTPStatusCode": self.http_status,
            "Attempts": self.attempts,
            "Retryable": self.kind == "transient",
            "Outcome": self.outcome,
            "ExitCode": self.exit_code,
            "Problems": [problem.as_json() for problem in self.problems] or None,
        }
        return {key: value for key, value in everything.items() if value is not None}


def usage(problems: Iterable[Problem]) -> ImagectlError:
    """All that is wrong with the input, as one error: nothing was sent."""
    problems = tuple(problems)
    message = str(problems[0]) if len(problems) == 1 else f"{len(problems)} problems, nothing was sent"
    return ImagectlError("usage", message, outcome="not-applied", problems=problems)
